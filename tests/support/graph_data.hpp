// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <tests/support/bits.hpp>
#include <umsrep/core/random.hpp>
#include <umsrep/graph/prune.hpp>

namespace umsrep::test {

/// All numbers that go into one run of a graph, in float, dense N, C, H, W: every backend starts from the same ones.
struct graph_data {
    int batch = 1;
    std::vector<float> images, parameters, statistics;
    std::vector<std::vector<float>> head_gradients; ///< of the loss with respect to each head's logits
    seed dropout{7};
    std::uint64_t step_number = 3;
};

/// What comes out of a run. Places of `gradients` that the mode does not train keep the `untouched` mark.
struct graph_result {
    static constexpr double untouched = 12345;
    std::vector<std::vector<double>> heads; ///< empty where the mode leaves the head out
    std::vector<double> gradients, statistics;
};

inline bool same_bits(const graph_result& a, const graph_result& b) {
    bool same = a.heads.size() == b.heads.size() && same_bits(a.gradients, b.gradients) && same_bits(a.statistics, b.statistics);
    for (std::size_t h = 0; same && h < a.heads.size(); ++h) same = same_bits(a.heads[h], b.heads[h]);
    return same;
}

/// How parameters are drawn.
enum class drawn {
    freely,  ///< weights as He et al. would, everything else normal
    decided, ///< biases large and weights small, so that hardly any rectifier is near its kink: for kernels that round more
};

/// How many products add up in one output of a node with weights.
inline double products_per_output(const node& n) {
    const double window = static_cast<double>(n.a.kernel.h) * n.a.kernel.w;
    switch (n.kind) {
    case op::conv: return window * n.in.c / n.a.groups;
    case op::conv_transpose:
        return std::max(1.0,
                        window * n.in.c / n.a.groups * static_cast<double>(n.in.plane()) / static_cast<double>(n.out.plane()));
    case op::linear: return static_cast<double>(n.in.size());
    default: return 1;
    }
}

inline graph_data draw_data(const graph& g, int batch, random_stream& r, drawn how = drawn::freely) {
    graph_data d;
    d.batch = batch;
    const auto fill = [&](std::vector<float>& v, std::ptrdiff_t size) {
        v.resize(static_cast<std::size_t>(size));
        for (float& x : v) x = r.uniform(-1.75f, 1.75f); // of variance one, and quicker than normal ones
    };
    fill(d.images, batch * g[0].out.size());
    fill(d.parameters, g.parameters);
    fill(d.statistics, g.statistics);
    for (const head_info& h : g.heads) fill(d.head_gradients.emplace_back(), batch * g[h.logits].out.size());
    const auto each = [](std::vector<float>& v, slot s, auto change) {
        for (std::ptrdiff_t i = s.offset; i < s.offset + s.size; ++i) change(v[static_cast<std::size_t>(i)]);
    };
    const bool decided = how == drawn::decided;
    for (const node& n : g.nodes) {
        const bool norm = n.kind == op::batch_norm || n.kind == op::group_norm;
        const float deviation = static_cast<float>((decided ? 0.3 : 1.4) / std::sqrt(products_per_output(n)));
        if (norm) each(d.parameters, n.weight, [&](float& w) { w = (decided ? 0.1f : 1.0f) * (1 + 0.25f * w); });
        else each(d.parameters, n.weight, [&](float& w) { w *= deviation; });
        each(d.parameters, n.bias, [&](float& b) { b = decided ? std::copysign(1 + 0.5f * std::abs(b), b) : 0.5f * b; });
        each(d.statistics, n.running_var, [](float& v) { v = v * v + 0.5f; });
    }
    return d;
}

} // namespace umsrep::test
