// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include <umsrep/graph/differentiate.hpp>
#include <umsrep/graph/prune.hpp>

namespace umsrep {

enum class phase : std::uint8_t {
    forward,
    head,     ///< a head is computed: its loss is taken (training), its output handed out (inference)
    backward,
};

/// A piece of the plan. `first` to `last` are nodes in a chain that share one buffer ("fused"): a backend may run them as one kernel, or
/// one after another in place. Backward runs them from last to first.
struct step {
    phase what = phase::forward;
    int first = 0, last = 0;
    int head = -1;
    friend constexpr bool operator==(step, step) = default;
};

/// Which buffer a value lives in: values that may be written over each other share one. -1: not computed.
struct sharing {
    std::vector<int> value, gradient; ///< per node: the node whose buffer it uses
};

/// Decides what runs in place: batch-norm, addition and activation over the convolution's output, and their gradients likewise, wherever
/// nobody needs the value that is written over.
constexpr sharing fuse(const graph& g, const mode& m, const std::vector<node_use>& use) {
    const auto at = [&](int i) -> const node_use& { return use[static_cast<std::size_t>(i)]; };
    std::vector<int> readers(g.nodes.size(), 0);
    for (int i = 0; i < g.size(); ++i)
        if (at(i).forward)
            for (const int input : g[i].inputs)
                if (input >= 0) ++readers[static_cast<std::size_t>(input)];
    for (int h = 0; h < g.head_count(); ++h)
        if (m.has_head(h)) ++readers[static_cast<std::size_t>(result_of(g.heads[static_cast<std::size_t>(h)], m))];

    sharing s{std::vector<int>(g.nodes.size(), -1), std::vector<int>(g.nodes.size(), -1)};
    for (int i = 0; i < g.size(); ++i) {
        if (!at(i).forward) continue;
        const std::size_t n = static_cast<std::size_t>(i);
        const op kind = g[i].kind;
        const int x = g[i].inputs[0];
        s.value[n] = i;
        if (at(i).backward) s.gradient[n] = i;
        if (x <= 0 || readers[static_cast<std::size_t>(x)] != 1) continue;
        const bool input_kept = (at(i).backward && backward_reads_input(kind, at(i).trains, at(i).batch_statistics)) ||
                                (at(x).backward && backward_reads_output(g[x].kind));
        if (runs_in_place(kind, at(i).batch_statistics) && !input_kept) s.value[n] = s.value[static_cast<std::size_t>(x)];
    }
    // Gradients flow the other way: the input's gradient takes the place of the output's.
    for (int i = g.size() - 1; i > 0; --i) {
        const int x = g[i].inputs[0];
        if (at(i).backward && x > 0 && at(x).backward && readers[static_cast<std::size_t>(x)] == 1 &&
            differentiates_in_place(g[i].kind))
            s.gradient[static_cast<std::size_t>(x)] = s.gradient[static_cast<std::size_t>(i)];
    }
    return s;
}

/// The order of work: the encoder forward; then head by head forward, loss and backward, so that no two heads' activations are alive at
/// once; then the encoder backward.
constexpr std::vector<step> schedule(const graph& g, const mode& m, const std::vector<node_use>& use, const sharing& s) {
    std::vector<step> steps;
    const auto at = [&](int i) -> const node_use& { return use[static_cast<std::size_t>(i)]; };
    const auto buffer = [&](int i) { return s.value[static_cast<std::size_t>(i)]; };
    const auto forward = [&](int first, int last) {
        for (int i = first; i < last; ++i) {
            if (!at(i).forward) continue;
            const bool joins = i > first && !steps.empty() && steps.back().what == phase::forward && steps.back().last == i - 1 &&
                               g[i].inputs[0] == i - 1 && buffer(i) == buffer(i - 1);
            if (joins) steps.back().last = i;
            else steps.push_back({phase::forward, i, i, -1});
        }
    };
    // Backward mirrors the forward steps of the same nodes.
    const auto backward = [&](std::size_t from, std::size_t to) {
        for (std::size_t k = to; k-- > from;)
            if (const step forward_step = steps[k]; forward_step.what == phase::forward && at(forward_step.last).backward)
                steps.push_back({phase::backward, forward_step.first, forward_step.last, -1});
    };

    const int encoder_end = g.stages.empty() ? 1 : g.stages.back().last;
    forward(1, encoder_end);
    const std::size_t encoder_steps = steps.size();
    for (int h = 0; h < g.head_count(); ++h) {
        if (!m.has_head(h)) continue;
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
