// SPDX-License-Identifier: MIT
// Graphs whose images are slices of wider ones, and sums behind gradients, have engines, too: asked of cuDNN as in support.cpp.
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <umsrep/backend/cuda/driver.hpp>
#include <umsrep/backend/cuda/graph_plan.hpp>
#include <umsrep/backend/cuda/work.hpp>

#include "stub.hpp"

using namespace umsrep;

namespace slices {

constexpr int batch = 4;

node convolution(op kind, int from, int to, attributes a) {
    node n;
    n.kind = kind;
    n.in = {from, 16, 24};
    const bool up = kind == op::conv_transpose;
    n.out = {to, up ? 16 * a.stride.h : 16 / a.stride.h, up ? 24 * a.stride.w : 24 / a.stride.w};
    n.a = a;
    return n;
}

/// Convolutions of whole blocks of channels, which concatenations mostly are of, and of others, which may be their last part.
std::vector<node> convolutions() {
    std::vector<node> all;
    for (const auto& [from, to] : std::vector<std::pair<int, int>>{{32, 64}, {5, 8}, {8, 13}}) {
        all.push_back(convolution(op::conv, from, to, {.kernel = 3, .padding = 1, .bias = true}));
        all.push_back(convolution(op::conv, from, to, {.kernel = 1, .stride = 2}));
        all.push_back(convolution(op::conv_transpose, from, to, {.kernel = 2, .stride = 2, .bias = true}));
    }
    all.push_back(convolution(op::conv, 32, 32, {.kernel = 3, .padding = 1, .groups = 4, .bias = true}));
    return all;
}

/// Each of a graph's images, and all of them, as slices of wider ones.
std::vector<cuda::operation_graph> sliced(const cuda::operation_graph& g, const std::vector<cuda::role>& images) {
    std::vector<cuda::operation_graph> all;
    for (unsigned set = 1; set < 1U << images.size(); ++set) {
        const bool single = (set & (set - 1)) == 0, every = set == (1U << images.size()) - 1;
        if (!single && !every) continue;
        cuda::operation_graph one = g;
        for (std::size_t i = 0; i < images.size(); ++i)
            if ((set >> i & 1U) != 0) cuda::make_slice(one, images[i], 96);
        all.push_back(std::move(one));
    }
    return all;
}

std::vector<cuda::operation_graph> graphs(cuda::precision p) {
    using cuda::role;
    std::vector<cuda::operation_graph> all;
    const auto add = [&](const cuda::operation_graph& g, const std::vector<role>& images) {
        for (cuda::operation_graph& one : sliced(g, images)) all.push_back(std::move(one));
    };
    for (const node& n : convolutions()) {
        add(cuda::forward_convolution(n, batch, p, {}), {role::input, role::output});
        for (const bool skip : {false, true})
            if (cuda::has_epilogue(n, p, true)) {
                std::vector<role> images{role::input, role::output};
                if (skip) images.push_back(role::skip);
                add(cuda::forward_convolution(n, batch, p, {n.a.bias, skip, true}), images);
            }
        add(cuda::backward_convolution_input(n, batch, p), {role::grad_output, role::grad_input});
        if (cuda::adds_gradients(n)) all.push_back(cuda::backward_convolution_input(n, batch, p, true));
        add(cuda::backward_convolution_weight(n, batch, p), {role::input, role::grad_output});
    }
    for (const shape s : {shape{8, 16, 24}, shape{64, 16, 24}, shape{13, 5, 7}}) {
        add(cuda::forward_batch_norm(batch, s, p, {false, false, true}), {role::output});
        add(cuda::forward_batch_norm(batch, s, p, {false, true, true}), {role::output, role::skip});
        add(cuda::backward_batch_norm(batch, s, p, true), {role::grad_output});
    }
    return all;
}

} // namespace slices

TEST_CASE("graphs of slices have deterministic engines on every architecture") {
    support::load_driver_or_stub();
    int asked = 0;
    std::vector<cuda::precision> precisions{cuda::precision::fp32, cuda::precision::bf16};
    if (support::everything()) precisions.insert(precisions.end(), {cuda::precision::tf32, cuda::precision::fp16});
    for (const char* name : {"sm_80", "sm_90", "sm_100"}) {
        std::ifstream file(std::string(UMSREP_TEST_DEVICES) + "/" + name + ".json");
        const cuda::device_description device(std::string_view(std::string{std::istreambuf_iterator<char>(file), {}}));
        for (const cuda::precision p : precisions)
            for (const cuda::operation_graph& g : slices::graphs(p)) {
                ++asked;
                try {
                    cuda::find_engines(cuda::built_graph(g), device, cuda::demands_of(p, true), 1);
                } catch (const cuda::cuda_error& e) {
                    std::string strides;
                    for (const cuda::operation& o : g.operations)
                        cuda::for_each_tensor(o, [&](const char* word, const cuda::tensor& t) {
                            if (t.stride[3] == 96) strides += std::string(" ") + word;
                        });
                    FAIL_CHECK(std::string(name) << ", " << cuda::name(p) << ", slices:" << strides << ": " << std::string(e.what()).substr(0, 300));
                }
            }
    }
    CHECK(asked > 500);
}

TEST_CASE("what has no engine with slices is not emitted with them") {
    support::load_driver_or_stub();
    std::ifstream file(std::string(UMSREP_TEST_DEVICES) + "/sm_90.json");
    const cuda::device_description device(std::string_view(std::string{std::istreambuf_iterator<char>(file), {}}));
    const auto has_none = [&](cuda::operation_graph g, cuda::role r) {
        cuda::make_slice(g, r, 96);
        try {
            cuda::find_engines(cuda::built_graph(g), device, {}, 1);
            return false;
        } catch (const cuda::cuda_error&) {
            return true;
        }
    };
    constexpr cuda::precision p = cuda::precision::bf16;
    const shape s{64, 16, 24};
    const node pool = slices::convolution(op::max_pool, 64, 64, {.kernel = 2, .stride = 2});
    CHECK(has_none(cuda::forward_pool(pool, 4, p, true), cuda::role::input));
    CHECK(has_none(cuda::forward_pool(pool, 4, p, true), cuda::role::output));
    CHECK(has_none(cuda::backward_pool(pool, 4, p), cuda::role::grad_input));
    CHECK(has_none(cuda::backward_bias(4, s, p), cuda::role::grad_output));
    CHECK(has_none(cuda::forward_batch_norm(4, s, p, {}), cuda::role::output));
    CHECK(has_none(cuda::backward_batch_norm(4, s, p, false), cuda::role::grad_output));
    CHECK(has_none(cuda::backward_batch_norm(4, s, p, true), cuda::role::input));
    const node up = slices::convolution(op::conv_transpose, 32, 64, {.kernel = 2, .stride = 2, .bias = true});
    CHECK(has_none(cuda::forward_convolution(up, 4, p, {true, false, false}), cuda::role::output));
}
