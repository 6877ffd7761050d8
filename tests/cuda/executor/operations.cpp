// SPDX-License-Identifier: MIT
// Each operation alone, behind a convolution that wants its gradient.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <tests/backend/every_operation.hpp>
#include <tests/cuda/device_runs.hpp>
#include <tests/cuda/host_machine.hpp>
#include <tests/support/bits.hpp>

using namespace umsrep;
using namespace umsrep::test;

namespace cuda_operation_test {

/// An image, a 1x1 convolution for each input of a node, the node: the logits of the only head.
graph graph_around(const node& n) {
    graph g;
    g.labels.push_back({});
    const auto place = [&](slot& s) {
        s.offset = s.size > 0 ? g.parameters : 0;
        g.parameters += s.size;
    };
    node image;
    image.out = image.in = n.in;
    g.nodes.push_back(image);
    const auto input_of = [&](shape s) {
        node c = window_node(op::conv, n.in, s.c, {.bias = true});
        c.inputs[0] = 0;
        place(c.weight);
        place(c.bias);
        g.nodes.push_back(c);
        return g.size() - 1;
    };
    node last = n;
    last.inputs[0] = input_of(n.in);
    if (n.kind == op::add) last.inputs[1] = input_of(n.in);
    if (n.kind == op::concat) last.inputs[1] = input_of({n.out.c - n.in.c, n.in.h, n.in.w});
    last.owner = 1;
    place(last.weight);
    place(last.bias);
    if (n.kind == op::batch_norm) {
        last.running_mean = {0, n.in.c};
        last.running_var = {n.in.c, n.in.c};
        g.statistics = 2 * n.in.c;
    }
    g.nodes.push_back(last);
    g.stages.push_back({"e1", 1, g.size() - 1, last.inputs[0]});
    g.heads.push_back({"h", g.size() - 1, g.size(), last.inputs[0], g.size() - 1, g.size() - 1});
    return g;
}

/// Beside one of each kind: sizes and settings that take another way on a device.
std::vector<named> operations() {
    std::vector<named> all = every_operation();
    const shape s{6, 9, 11};
    for (const int c : {1, 2, 3, 8, 16}) {
        const std::string channels = ", channels " + std::to_string(c);
        const shape few{c, 6, 10};
        all.push_back({"conv to" + channels, window_node(op::conv, s, c, {.kernel = 3, .padding = 1, .bias = true})});
        all.push_back({"conv from" + channels, window_node(op::conv, few, 5, {.kernel = 3, .padding = 1, .bias = true})});
        all.push_back({"conv_transpose" + channels, window_node(op::conv_transpose, few, c, {.kernel = 2, .stride = 2, .bias = true})});
        all.push_back({"batch_norm" + channels, plain_node(op::batch_norm, few, {.value = 1e-5})});
        all.push_back({"group_norm" + channels, plain_node(op::group_norm, few, {.groups = c % 2 == 0 ? 2 : 1, .value = 1e-5})});
        all.push_back({"softmax" + channels, plain_node(op::softmax, few)});
        all.push_back({"dropout" + channels, plain_node(op::dropout, few, {.value = 0.5})});
        all.push_back({"add" + channels, plain_node(op::add, few)});
        all.push_back({"relu" + channels, plain_node(op::relu, few)});
        all.push_back({"max_pool" + channels, window_node(op::max_pool, few, c, {.kernel = 2, .stride = 2})});
        all.push_back({"avg_pool" + channels, window_node(op::avg_pool, few, c, {.kernel = 2, .stride = 2})});
        all.push_back({"upsample_nearest" + channels, upsample_node(op::upsample_nearest, few, {3, 2})});
        all.push_back({"upsample_bilinear" + channels, upsample_node(op::upsample_bilinear, few, {2, 3})});
        all.push_back({"global_avg_pool" + channels, global_node(few)});
        all.push_back({"concat behind" + channels, concat_node(few, 16)});
        all.push_back({"concat before" + channels, concat_node({16, 6, 10}, c)});
    }
    all.push_back(
        {"conv, dilated", window_node(op::conv, s, 5, {.kernel = {3, 2}, .stride = {1, 2}, .padding = {2, 1}, .dilation = {2, 1}})});
    all.push_back({"conv_transpose, output padding",
                   window_node(op::conv_transpose, s, 5, {.kernel = 3, .stride = 2, .padding = 1, .output_padding = 1})});
    all.push_back({"conv_transpose, groups", window_node(op::conv_transpose, s, 4, {.kernel = 3, .stride = 2, .groups = 2, .bias = true})});
    all.push_back({"avg_pool without padding",
                   window_node(op::avg_pool, s, s.c, {.kernel = 3, .stride = 2, .padding = 1, .count_include_pad = false})});
    all.push_back(
        {"max_pool of more than 128 pixels", window_node(op::max_pool, {6, 14, 15}, 6, {.kernel = 12, .stride = 2, .padding = 2})});
    all.push_back({"batch_norm without parameters", plain_node(op::batch_norm, s, {.affine = false, .value = 1e-3})});
    all.push_back({"linear of one pixel", linear_node({12, 1, 1}, 3, true)});
    return all;
}

/// Of 16 bits: how far, in units of the largest, results and gradients may be, which are sums of what was rounded several times.
template <cuda::precision P>
inline constexpr double tolerance = P == cuda::precision::fp32   ? 3e-6
                                    : P == cuda::precision::bf16 ? 8 * 0x1p-8
                                                                 : 8 * 0x1p-11;

template <cuda::precision P>
void check(const named& o, const graph& g, const mode& m) {
    constexpr int n = 3;
    const run_inputs in(g, n);
    const run_traces expected = trace_reference<double>(g, m, in, n, 1), got = trace_device<host_machine, P>(g, m, in, n, 1);
    INFO(cuda::name(P) << ", training " << m.training << ", norms " << static_cast<int>(m.norms));
    CHECK_MESSAGE(relative_error(got.results, expected.results) < tolerance<P>, o.name);
    const bool flips = P != cuda::precision::fp32 && o.n.kind == op::max_pool; // a rounding may make another pixel the largest
    if (!flips) CHECK_MESSAGE(relative_error(got.gradients, expected.gradients) < tolerance<P>, o.name);
    CHECK_MESSAGE(relative_error(got.statistics, expected.statistics) < tolerance<P>, o.name);
}

} // namespace cuda_operation_test

TEST_CASE("every operation computes, differentiates and infers what the reference does, in every precision") {
    for (const named& o : cuda_operation_test::operations()) {
        const graph g = cuda_operation_test::graph_around(o.n);
        mode train, frozen_norms;
        train.training = frozen_norms.training = true;
        frozen_norms.norms = norm_statistics::frozen;
        for (const mode& m : {train, frozen_norms, mode{}}) {
            if (m.norms == norm_statistics::frozen && o.n.kind != op::batch_norm) continue;
            cuda_operation_test::check<cuda::precision::fp32>(o, g, m);
            cuda_operation_test::check<cuda::precision::bf16>(o, g, m);
            cuda_operation_test::check<cuda::precision::fp16>(o, g, m);
        }
    }
}
