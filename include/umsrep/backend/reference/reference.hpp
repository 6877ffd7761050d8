// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include <umsrep/backend/operands.hpp>
#include <umsrep/backend/reference/activation.hpp>
#include <umsrep/backend/reference/combination.hpp>
#include <umsrep/backend/reference/convolution.hpp>
#include <umsrep/backend/reference/dense.hpp>
#include <umsrep/backend/reference/dropout.hpp>
#include <umsrep/backend/reference/normalization.hpp>
#include <umsrep/backend/reference/pooling.hpp>
#include <umsrep/backend/reference/resampling.hpp>
#include <umsrep/backend/reference/transposed_convolution.hpp>
#include <umsrep/graph/storage.hpp>

namespace umsrep {

/// The backend that reads like the formulas: plain Eigen, any real scalar, activations N, C, H, W. The oracle for every other backend,
/// and what runs where there is none.
///
/// No operation allocates. Results do not depend on the number of threads.
template <class T>
struct reference {
    using scalar = T;
    static constexpr int scalar_bytes = sizeof(T);

    static const char* name() { return "reference"; }

    static constexpr storage_policy storage = dense_storage;

    /// Elements of operands.state that `n` keeps from forward to backward: mean and 1 / sqrt(var + eps) of a batch_norm by the batch.
    static constexpr std::ptrdiff_t state_size(const node& n, bool batch_statistics, bool /*training*/) {
        return n.kind == op::batch_norm && batch_statistics ? 2 * std::ptrdiff_t{n.in.c} : 0;
    }

    /// Elements of operands.workspace that forward or backward of `n` need.
    static constexpr std::ptrdiff_t workspace_size(const node& n, int batch, int threads, bool /*training*/) {
        switch (n.kind) {
        case op::conv:
        case op::conv_transpose: return reference_ops::correlation_workspace<T>(n, batch, threads);
        case op::group_norm: return 2 * std::ptrdiff_t{batch} * n.in.c;
        default: return 0;
        }
    }

    /// out, and the state, from in.
    static void forward(const operands<T>& o);
    /// A step of a plan: nodes in the order of computation.
    static void forward(std::span<const operands<T>> chain) {
        for (const operands<T>& o : chain) forward(o);
    }

    /// The wanted gradients from grad_out and what forward left.
    static void backward(const operands<T>& o);
    /// A step of a plan, its nodes in the order of computation, not of the gradients.
    static void backward(std::span<const operands<T>> chain) {
        for (std::size_t i = chain.size(); i-- > 0;) backward(chain[i]);
    }

    /// Between plain N, C, H, W and the backend's layout: the same here.
    static void from_dense(const T* dense, tensor_view<T> value) { std::copy_n(dense, value.size(), value.data); }
    static void to_dense(tensor_view<const T> value, T* dense) { std::copy_n(value.data, value.size(), dense); }
};

// Defined outside the class, so that a program of several files can compile the kernels once: `extern template struct
// umsrep::reference<float>;` in all of them and `template struct umsrep::reference<float>;` in one.

template <class T>
void reference<T>::forward(const operands<T>& o) {
    using namespace reference_ops;
    switch (o.n->kind) {
    case op::input: return;
    case op::conv: return forward_conv(o);
    case op::conv_transpose: return forward_conv_transpose(o);
    case op::batch_norm: return forward_batch_norm(o);
    case op::group_norm: return forward_group_norm(o);
    case op::relu: return forward_relu(o);
    case op::leaky_relu: return forward_leaky_relu(o);
    case op::gelu: return forward_gelu(o);
    case op::silu: return forward_silu(o);
    case op::sigmoid: return forward_sigmoid(o);
    case op::softmax: return forward_softmax(o);
    case op::max_pool: return forward_max_pool(o);
    case op::avg_pool: return forward_avg_pool(o);
    case op::global_avg_pool: return forward_global_avg_pool(o);
    case op::upsample_nearest: return forward_upsample_nearest(o);
    case op::upsample_bilinear: return forward_upsample_bilinear(o);
    case op::linear: return forward_linear(o);
    case op::dropout: return forward_dropout(o);
    case op::concat: return forward_concat(o);
    case op::add: return forward_add(o);
    }
}

template <class T>
void reference<T>::backward(const operands<T>& o) {
    using namespace reference_ops;
    switch (o.n->kind) {
    case op::input: return;
    case op::conv: return backward_conv(o);
    case op::conv_transpose: return backward_conv_transpose(o);
    case op::batch_norm: return backward_batch_norm(o);
    case op::group_norm: return backward_group_norm(o);
    case op::relu: return backward_relu(o);
    case op::leaky_relu: return backward_leaky_relu(o);
    case op::gelu: return backward_gelu(o);
    case op::silu: return backward_silu(o);
    case op::sigmoid: return backward_sigmoid(o);
    case op::softmax: return backward_softmax(o);
    case op::max_pool: return backward_max_pool(o);
    case op::avg_pool: return backward_avg_pool(o);
    case op::global_avg_pool: return backward_global_avg_pool(o);
    case op::upsample_nearest: return backward_upsample_nearest(o);
    case op::upsample_bilinear: return backward_upsample_bilinear(o);
    case op::linear: return backward_linear(o);
    case op::dropout: return backward_dropout(o);
    case op::concat: return backward_concat(o);
    case op::add: return backward_add(o);
    }
}

} // namespace umsrep
