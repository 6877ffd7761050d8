// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string>

#include <umsrep/backend/cuda/layout.hpp>
#include <umsrep/backend/cuda/operation.hpp>
#include <umsrep/graph/node.hpp>
#include <umsrep/graph/op_name.hpp>

/// Graphs of max_pool, avg_pool and global_avg_pool.
namespace umsrep::cuda {

/// A pool, with the window of its node. Images and results are given by their roles, forward and backward.
inline resample pool_of(const node& n, int batch, precision p, role image, role result) {
    const auto both = [](extent e) { return std::array<cudnnFraction_t, 2>{{{e.h, 1}, {e.w, 1}}}; };
    const bool global = n.kind == op::global_avg_pool, max = n.kind == op::max_pool;
    resample r;
    r.mode = max ? CUDNN_RESAMPLE_MAXPOOL
                 : n.a.count_include_pad ? CUDNN_RESAMPLE_AVGPOOL_INCLUDE_PADDING : CUDNN_RESAMPLE_AVGPOOL_EXCLUDE_PADDING;
    r.border = max ? CUDNN_NEG_INF_PAD : CUDNN_ZERO_PAD;
    r.image = whole_activation(image, batch, n.in, p);
    r.result = whole_activation(result, batch, n.out, p);
    r.window = global ? both({n.in.h, n.in.w}) : both(n.a.kernel);
    r.stride = global ? both(1) : both(n.a.stride);
    r.pad_before = r.pad_after = global ? both(0) : both(n.a.padding);
    return r;
}

/// A max pool's index is a byte with a sign.
constexpr bool has_pool(const node& n) { return n.kind != op::max_pool || n.a.kernel.h * n.a.kernel.w <= 128; }

/// Which pixel of each window was the largest: a byte for each result. (cuDNN crashes where a max pool's backward has none.)
inline tensor pool_index(const node& n, int batch) { return whole_activation(role::index, batch, n.out, data_type::int8); }

/// output = pool(input); `index`: of a max pool, that backward needs.
inline operation_graph forward_pool(const node& n, int batch, precision p, bool index) {
    resample r = pool_of(n, batch, p, role::input, role::output);
    if (index) r.index = pool_index(n, batch);
    return {std::string(umsrep::name(n.kind)) + (index ? " + index" : ""), {r}};
}

/// grad_input from grad_output and, of a max pool, index.
inline operation_graph backward_pool(const node& n, int batch, precision p) {
    resample r = pool_of(n, batch, p, role::grad_input, role::grad_output);
    r.backward = true;
    if (n.kind == op::max_pool) r.index = pool_index(n, batch);
    return {std::string(umsrep::name(n.kind)) + " backward", {r}};
}

} // namespace umsrep::cuda
