// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include <umsrep/graph/recompute.hpp>

namespace umsrep {

enum class phase : std::uint8_t {
    forward,
    head,      ///< a head is computed: its loss is taken (training), its output handed out (inference)
    recompute, ///< forward again, for the backward pass that follows
    backward,
};

/// A piece of the plan. `first` to `last` are nodes in a chain that share one place ("fused"): a backend may run them as one kernel, or
/// one after another in place. Backward runs them from last to first. In a prediction a step may go on in another place, see storage_policy::joins.
struct step {
    phase what = phase::forward;
    int first = 0, last = 0;
    int head = -1;
    friend constexpr bool operator==(step, step) = default;
};

/// The order of work: the encoder forward; then head by head forward, loss and backward, so that no two heads' activations are alive at
/// once; then the encoder backward. What is computed twice, see recompute, is so before the backward pass of its part.
constexpr std::vector<step> order_steps(const graph& g, const mode& m, const std::vector<node_use>& use, const sharing& s,
                                        const std::vector<int>& second, const storage_policy& storage) {
    std::vector<step> steps;
    std::vector<int> part(g.nodes.size(), 0); // one, where nothing is computed twice
    if (m.checkpoint) part = parts_of_network(g);
    const auto part_of = [&](const step& one) { return part[static_cast<std::size_t>(one.first)]; };
    const auto at = [&](int i) -> const node_use& { return use[static_cast<std::size_t>(i)]; };
    const auto buffer = [&](int i) { return s.value[static_cast<std::size_t>(i)]; };
    const auto same_place = [&](int i, int j) { // not two parts of one concatenation
        return buffer(i) == buffer(j) && s.value_slice[static_cast<std::size_t>(i)] == s.value_slice[static_cast<std::size_t>(j)];
    };
    const auto forward = [&](int first, int last) {
        for (int i = first; i < last; ++i) {
            if (!at(i).forward || at(i).given || buffer(i) < 0) continue; // a concatenation left to its readers is no work
            const bool goes_on = g[i].kind != op::concat && i > first && !steps.empty() && steps.back().what == phase::forward &&
                                 steps.back().last == i - 1 && g[i].inputs[0] == i - 1 && part[static_cast<std::size_t>(i)] == part_of(steps.back());
            const bool joins = goes_on && (same_place(i, i - 1) || (!m.training && storage.joins != nullptr && storage.joins(g[steps.back().first], g[i])));
            if (joins) steps.back().last = i;
            else steps.push_back({phase::forward, i, i, -1});
        }
    };
    // The part's forward steps from `from` to `last`, those that are computed twice. Deferred values are only read again.
    const auto recompute_part = [&](std::size_t from, std::size_t last) {
        std::size_t first = last;
        while (first > from && part_of(steps[first - 1]) == part_of(steps[last])) --first;
        for (std::size_t k = first; k <= last; ++k) {
            step again = steps[k];
            while (again.last >= again.first && s.deferred[static_cast<std::size_t>(again.last)]) --again.last;
            again.what = phase::recompute;
            if (again.last >= again.first && second[static_cast<std::size_t>(again.first)] >= 0) steps.push_back(again);
        }
    };
    // Backward mirrors the forward steps of the same nodes.
    const auto backward = [&](std::size_t from, std::size_t to) {
        for (std::size_t k = to; k-- > from;) {
            const step forward_step = steps[k];
            if (forward_step.what != phase::forward) continue;
            if (m.checkpoint && (k + 1 == to || part_of(steps[k + 1]) != part_of(forward_step))) recompute_part(from, k);
            if (at(forward_step.last).backward) steps.push_back({phase::backward, forward_step.first, forward_step.last, -1});
        }
    };

    const int encoder_end = g.stages.empty() ? 1 : g.stages.back().last;
    forward(1, encoder_end);
    const std::size_t encoder_steps = steps.size();
    for (int h = 0; h < g.head_count(); ++h) {
        if (!m.has_head(h) || m.computes == portion::frozen_stages) continue;
        const head_info& head = g.heads[static_cast<std::size_t>(h)];
        const std::size_t begin = steps.size();
        forward(head.first, head.last);
        const std::size_t end = steps.size();
        const int result = result_of(head, m);
        steps.push_back({phase::head, result, result, h});
        if (m.training) backward(begin, end);
    }
    if (m.training) backward(0, encoder_steps);
    return steps;
}

} // namespace umsrep
