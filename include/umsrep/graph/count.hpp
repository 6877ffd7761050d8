// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <umsrep/graph/plan.hpp>

namespace umsrep {

/// Multiply-accumulate operations of a node on one sample, forward. Counted: convolutions and dense layers; everything else is memory.
constexpr std::int64_t macs(const node& n) {
    switch (n.kind) {
    case op::conv: return std::int64_t{n.out.size()} * (n.in.c / n.a.groups) * n.a.kernel.h * n.a.kernel.w;
    case op::conv_transpose: return std::int64_t{n.in.size()} * (n.out.c / n.a.groups) * n.a.kernel.h * n.a.kernel.w;
    case op::linear: return std::int64_t{n.in.size()} * n.out.c;
    default: return 0;
    }
}

/// MACs of one sample in a plan, a value or a constant. The gradient of the weights and the gradient of the input cost one forward each, where they are computed.
template <class Graph, class Plan>
constexpr std::int64_t macs(const Graph& g, const Plan& p) {
    std::int64_t total = 0;
    for (int i = 0; i < g.size(); ++i) {
        const node_plan& n = p.nodes[static_cast<std::size_t>(i)];
        if (n.value < 0) continue;
        total += macs(g[i]) * (1 + (n.trains ? 1 : 0) + (n.differentiate[0] ? 1 : 0));
    }
    return total;
}

/// Parameters that the plan's backward pass computes gradients for.
template <class Graph, class Plan>
constexpr std::int64_t trained_parameters(const Graph& g, const Plan& p) {
    std::int64_t total = 0;
    for (int i = 0; i < g.size(); ++i)
        if (p.nodes[static_cast<std::size_t>(i)].trains) total += g[i].weight.size + g[i].bias.size;
    return total;
}

/// Elements of workspace that the ops of a plan need, one after another: the most that one needs. `size(node, batch, threads)`.
template <class Graph, class Plan, class Size>
constexpr std::ptrdiff_t workspace_of(const Graph& g, const Plan& p, Size size, int batch, int threads) {
    std::ptrdiff_t most = 0;
    for (int i = 1; i < g.size(); ++i)
        if (p.nodes[static_cast<std::size_t>(i)].value >= 0) most = std::max<std::ptrdiff_t>(most, size(g[i], batch, threads));
    return most;
}

/// Whether batch statistics are kept from forward to backward.
template <class Plan>
constexpr bool saves_statistics(const Plan& p) {
    for (const node_plan& n : p.nodes)
        if (n.batch_statistics) return true;
    return false;
}

/// The parts of an arena, in elements per sample: the most that is alive at one moment of each kind, and the whole with its gaps.
struct arena_use {
    std::int64_t activations = 0, gradients = 0, live = 0, arena = 0;
};

template <class Plan>
constexpr arena_use use_of(const Plan& p) {
    std::vector<std::array<std::int64_t, 2>> change(p.steps.size() + 1, std::array<std::int64_t, 2>{}); // activations, gradients
    for (const buffer& b : p.buffers) {
        if (b.dies < b.born) continue;
        change[static_cast<std::size_t>(b.born)][b.gradient ? 1 : 0] += b.size;
        change[static_cast<std::size_t>(b.dies) + 1][b.gradient ? 1 : 0] -= b.size;
    }
    arena_use most{};
    std::int64_t activations = 0, gradients = 0;
    for (const auto& [activation_change, gradient_change] : change) {
        activations += activation_change;
        gradients += gradient_change;
        most.activations = std::max(most.activations, activations);
        most.gradients = std::max(most.gradients, gradients);
        most.live = std::max(most.live, activations + gradients);
    }
    most.arena = p.arena;
    return most;
}

} // namespace umsrep
