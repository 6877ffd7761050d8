// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include <umsrep/graph/differentiate.hpp>
#include <umsrep/graph/prune.hpp>

namespace umsrep {

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

} // namespace umsrep
