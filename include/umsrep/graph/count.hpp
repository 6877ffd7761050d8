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

/// MACs of one sample in a plan, a value or a constant. The gradient of the weights and the gradient of the input cost one forward each,
/// where they are computed; so does what is computed twice.
template <class Graph, class Plan>
constexpr std::int64_t macs(const Graph& g, const Plan& p) {
    std::int64_t total = 0;
    for (int i = 0; i < g.size(); ++i) {
        const node_plan& n = p.nodes[static_cast<std::size_t>(i)];
        if (!n.runs()) continue;
        total += macs(g[i]) * (1 + (n.second >= 0 ? 1 : 0) + (n.trains ? 1 : 0) + (n.differentiate[0] ? 1 : 0));
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

/// Elements of workspace that the ops of a plan need, one after another, for batches of up to `capacity`: the most that one needs.
/// `size(node, batch, threads, training)`; a small batch may need more than a large one, where it is computed in another way.
template <class Graph, class Plan, class Size>
constexpr std::ptrdiff_t workspace_of(const Graph& g, const Plan& p, Size size, int capacity, int threads) {
    std::ptrdiff_t most = 0;
    for (int i = 1; i < g.size(); ++i)
        for (int batch = p.nodes[static_cast<std::size_t>(i)].runs() ? capacity : 0; batch > 0; --batch)
            most = std::max<std::ptrdiff_t>(most, size(g[i], batch, threads, p.what.training));
    return most;
}

/// Elements of memory that one worker of a pool needs for itself, the same way; 0 for a backend that has no worker_size.
template <class Backend, class Graph, class Plan>
constexpr std::ptrdiff_t worker_memory_of(const Graph& g, const Plan& p, int capacity, int threads) {
    if constexpr (requires { Backend::worker_size; }) return round_to_granularity(workspace_of(g, p, Backend::worker_size, capacity, threads));
    else return 0;
}

/// Elements of state that the ops of a plan keep from forward to backward, one after another, each at a multiple of the arena's
/// granularity. `size(node, batch_statistics, training)`; `each(i, offset)` is told where node i's begins.
template <class Graph, class Plan, class Size, class Each>
constexpr std::ptrdiff_t place_states(const Graph& g, const Plan& p, Size size, Each each) {
    std::ptrdiff_t end = 0;
    for (int i = 1; i < g.size(); ++i) {
        const node_plan& n = p.nodes[static_cast<std::size_t>(i)];
        if (!n.runs()) continue;
        each(i, end);
        end += round_to_granularity(size(g[i], n.batch_statistics, p.what.training));
    }
    return end;
}
template <class Graph, class Plan, class Size>
constexpr std::ptrdiff_t state_of(const Graph& g, const Plan& p, Size size) {
    return place_states(g, p, size, [](int, std::ptrdiff_t) {});
}

/// Elements per sample of the plain copies that a network's border needs where the backend stores an image, a head's result or its gradient
/// in a layout of its own: the most that is needed at once.
template <class Graph, class Plan>
constexpr std::ptrdiff_t border_of(const Graph& g, const Plan& p, const storage_policy& storage) {
    const auto copy = [&](int i) { return storage.dense(g[i].out) ? 0 : round_to_granularity(g[i].out.size()); };
    std::ptrdiff_t most = copy(0);
    for (const step& s : p.steps)
        if (s.what == phase::head) most = std::max(most, copy(s.first) * (p.nodes[static_cast<std::size_t>(s.first)].gradient >= 0 ? 2 : 1));
    return most;
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
