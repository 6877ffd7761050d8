// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>

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

/// MACs of one sample in a plan. The gradient of the weights and the gradient of the input cost one forward each, where they are computed.
constexpr std::int64_t macs(const graph& g, const execution_plan& p) {
    std::int64_t total = 0;
    for (int i = 0; i < g.size(); ++i) {
        const node_plan& n = p.nodes[static_cast<std::size_t>(i)];
        if (n.value < 0) continue;
        total += macs(g[i]) * (1 + (n.trains ? 1 : 0) + (n.differentiate[0] ? 1 : 0));
    }
    return total;
}

/// Parameters that the plan's backward pass computes gradients for.
constexpr std::int64_t trained_parameters(const graph& g, const execution_plan& p) {
    std::int64_t total = 0;
    for (int i = 0; i < g.size(); ++i)
        if (p.nodes[static_cast<std::size_t>(i)].trains) total += g[i].weight.size + g[i].bias.size;
    return total;
}

/// The parts of an arena, in elements per sample: the most that is alive at one moment of each kind, and the whole with its gaps.
struct arena_use {
    std::int64_t activations = 0, gradients = 0, live = 0, arena = 0;
};

constexpr arena_use use_of(const execution_plan& p) {
    arena_use most{};
    for (int now = 0; now < static_cast<int>(p.steps.size()); ++now) {
        std::int64_t activations = 0, gradients = 0;
        for (const buffer& b : p.buffers)
            if (b.born <= now && now <= b.dies) (b.gradient ? gradients : activations) += b.size;
        most.activations = std::max(most.activations, activations);
        most.gradients = std::max(most.gradients, gradients);
        most.live = std::max(most.live, activations + gradients);
    }
    most.arena = p.arena;
    return most;
}

} // namespace umsrep
