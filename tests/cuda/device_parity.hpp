// SPDX-License-Identifier: MIT
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <tests/backend/every_operation.hpp>
#include <tests/cuda/device_runs.hpp>
#include <tests/graph/random_graph.hpp>
#include <tests/support/bits.hpp>
#include <tests/support/random_network.hpp>

/// Operations and networks on a machine against the reference backend in double: the host's machine, or a device where there is one.
namespace umsrep::test::device_parity {

/// How far results may be, in units of the largest, of operations alone; and how many times coarser than floats a type is.
template <cuda::precision P>
struct limits {
    static constexpr double operation = 3e-6, digits = 1;
};
template <>
struct limits<cuda::precision::tf32> {
    static constexpr double operation = 4 * 0x1p-11, digits = 0x1p14;
};
template <>
struct limits<cuda::precision::bf16> {
    static constexpr double operation = 8 * 0x1p-8, digits = 0x1p17;
};
template <>
struct limits<cuda::precision::fp16> {
    static constexpr double operation = 8 * 0x1p-11, digits = 0x1p14;
};

inline std::string text(const graph& g, const mode& m) {
    std::string s = "training " + std::to_string(m.training) + ", heads " + std::to_string(m.heads & 7) + ", first trained stage " +
                    std::to_string(m.first_trained_stage) + ", norms " + std::to_string(static_cast<int>(m.norms)) + ", twice " +
                    std::to_string(m.checkpoint) + ":";
    for (const node& n : g.nodes)
        s += " " + std::string(name(n.kind)) + "(" + std::to_string(n.inputs[0]) + "," + std::to_string(n.inputs[1]) + ")";
    return s;
}

/// The length of the difference over the length of what is expected.
inline double distance(const std::vector<double>& got, const std::vector<double>& expected) {
    double difference = 0, length = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        difference += (got.at(i) - expected[i]) * (got.at(i) - expected[i]);
        length += expected[i] * expected[i];
    }
    return length == 0 ? difference : std::sqrt(difference / length); // NaN stays NaN, and is below nothing
}

/// An image, a 1x1 convolution for each input of a node, the node: the logits of the only head. `behind`: nodes that follow it, each the
/// only reader of the one before.
inline graph graph_around(const node& n, const std::vector<node>& behind = {}) {
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
    g.stages.push_back({"e1", 1, g.size(), last.inputs[0]});
    const int first = g.size(), tap = last.inputs[0];
    const auto append = [&](node x) {
        x.owner = 1;
        place(x.weight);
        place(x.bias);
        if (x.kind == op::batch_norm) {
            x.running_mean = {g.statistics, x.in.c};
            x.running_var = {g.statistics + x.in.c, x.in.c};
            g.statistics += 2 * x.in.c;
        }
        g.nodes.push_back(x);
    };
    append(last);
    for (node x : behind) {
        x.inputs[0] = g.size() - 1;
        append(x);
    }
    g.heads.push_back({"h", first, g.size(), tap, g.size() - 1, g.size() - 1});
    return g;
}

/// Beside one of each kind: sizes and settings that take another way on a device.
inline std::vector<named> operations() {
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

/// Convolutions with a norm and a ReLU behind them, which inference folds and training differentiates together.
inline std::vector<named> folding() {
    std::vector<named> all;
    for (const int c : {3, 4, 8, 20}) {
        const std::string channels = ", channels " + std::to_string(c);
        const shape s{4, 7, 9};
        all.push_back({"conv" + channels, window_node(op::conv, s, c, {.kernel = 3, .padding = 1})});
        all.push_back({"conv_transpose" + channels, window_node(op::conv_transpose, s, c, {.kernel = 2, .stride = 2, .bias = true})});
        if (c % 2 != 0) continue;
        all.push_back({"conv, groups" + channels, window_node(op::conv, s, c, {.kernel = 3, .groups = 2, .bias = true})});
        all.push_back(
            {"conv_transpose, groups" + channels, window_node(op::conv_transpose, s, c, {.kernel = 3, .stride = 2, .groups = 2})});
    }
    all.push_back({"linear", linear_node({4, 3, 5}, 10, true)});
    return all;
}

/// Each operation alone, behind a convolution that wants its gradient; then those that fold. `slack`: times the limits.
template <cuda::precision P, class Machine>
void check_operations(const std::shared_ptr<Machine>& machine, double slack = 1) {
    constexpr int n = 3;
    const double limit = slack * limits<P>::operation;
    mode train, frozen_norms;
    train.training = frozen_norms.training = true;
    frozen_norms.norms = norm_statistics::frozen;
    const auto check = [&](const named& o, const graph& g) {
        for (const mode& m : {train, frozen_norms, mode{}}) {
            if (m.norms == norm_statistics::frozen && g.statistics == 0) continue;
            INFO(o.name << ", " << cuda::name(P) << ", training " << m.training << ", norms " << static_cast<int>(m.norms));
            const run_inputs in(g, n);
            const run_traces expected = trace_reference<double>(g, m, in, n, 1), got = trace_device<P>(machine, g, m, in, n, 1);
            CHECK(relative_error(got.results, expected.results) < limit);
            CHECK(relative_error(got.statistics, expected.statistics) < limit);
            // A rounding may make another pixel the largest, or close a ReLU.
            const bool flips = P != cuda::precision::fp32 && (o.n.kind == op::max_pool || g.nodes.back().kind == op::relu);
            if (!flips) CHECK(relative_error(got.gradients, expected.gradients) < limit);
        }
    };
    for (const named& o : operations()) check(o, graph_around(o.n));
    for (const named& o : folding()) {
        const node norm = plain_node(op::batch_norm, o.n.out, {.value = 1e-3}), relu = plain_node(op::relu, o.n.out);
        check(o, graph_around(o.n, {norm}));
        check(o, graph_around(o.n, {norm, relu}));
    }
}

/// A network in one mode in fp32. Some lose digits: as many as the reference does in float may be lost.
template <class Machine>
void check_network(const std::shared_ptr<Machine>& machine, const graph& g, const mode& m, double slack = 1) {
    INFO(text(g, m));
    const run_inputs in(g, 2);
    const run_traces expected = trace_reference<double>(g, m, in, 2, 2), got = trace_device<cuda::precision::fp32>(machine, g, m, in, 2, 2),
                     floats = trace_reference<float>(g, m, in, 2, 2);
    const auto check = [&](const std::vector<double>& a, const std::vector<double>& wanted, const std::vector<double>& in_float) {
        CHECK(relative_error(a, wanted) < slack * std::max(1e-5, 10 * relative_error(in_float, wanted)));
    };
    check(got.results, expected.results, floats.results);
    check(got.gradients, expected.gradients, floats.gradients);
    check(got.statistics, expected.statistics, floats.statistics);
}

/// Random networks in a type coarser than floats, every seventh of their modes. Where a rounding opens or closes a ReLU, or moves a
/// maximum, gradients go their own way: that may happen to one in ten.
template <cuda::precision P, int wider = 1, class Machine>
void check_coarse_networks(const std::shared_ptr<Machine>& machine, std::uint64_t networks) {
    constexpr seed s{52};
    INFO("seed " << s.value);
    int runs = 0, wild = 0;
    for (std::uint64_t i = 0; i < networks; ++i) {
        random_stream r(s, "graph", i);
        const graph g = random_graph<wider>(r);
        const bool concatenates = std::any_of(g.nodes.begin(), g.nodes.end(), [](const node& n) { return n.kind == op::concat; });
        if (wider > 1 && !concatenates) continue; // in these, slices are what is looked at
        const std::vector<mode> modes = modes_of(g);
        for (std::size_t k = i % 7; k < modes.size(); k += 7) {
            INFO("network " << i << ", " << text(g, modes[k]));
            const run_inputs in(g, 2);
            const run_traces expected = trace_reference<double>(g, modes[k], in, 2, 1),
                             floats = trace_reference<float>(g, modes[k], in, 2, 1), got = trace_device<P>(machine, g, modes[k], in, 2, 1);
            const auto near = [&](const std::vector<double>& a, const std::vector<double>& wanted, const std::vector<double>& in_float) {
                return distance(a, wanted) < limits<P>::digits * std::max(2e-7, distance(in_float, wanted));
            };
            CHECK(near(got.results, expected.results, floats.results));
            CHECK(near(got.statistics, expected.statistics, floats.statistics));
            if (!near(got.gradients, expected.gradients, floats.gradients)) ++wild;
            CHECK(std::none_of(got.gradients.begin(), got.gradients.end(), [](double v) { return std::isnan(v); }));
            ++runs;
        }
    }
    CHECK(runs > static_cast<int>(networks));
    CHECK(wild <= runs / 10);
}

} // namespace umsrep::test::device_parity
