// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <vector>

#include <umsrep/graph/fuse.hpp>

namespace umsrep {

/// Per node: the number of the part that it belongs to, in order: a stage of the encoder, or an outermost layer of a head. -1: the image.
constexpr std::vector<int> parts_of_network(const graph& g) {
    const auto part_label = [&](int at) { // the second on the way from the root
        int below = at;
        for (int above = g.labels[static_cast<std::size_t>(at)].parent; above >= 0; above = g.labels[static_cast<std::size_t>(at)].parent) {
            below = at;
            at = above;
        }
        return below;
    };
    std::vector<int> part(g.nodes.size(), -1);
    int last_label = -1;
    for (int i = 1, number = -1; i < g.size(); ++i) {
        const int now = part_label(g[i].label);
        if (number < 0 || now != last_label || g[i].owner != g[i - 1].owner) ++number;
        last_label = now;
        part[static_cast<std::size_t>(i)] = number;
    }
    return part;
}

/// Gradient checkpointing: of each part only what others read is kept; the rest dies after forward and is computed a second time, into
/// buffers of its own, before the part's backward pass. The last such part of a head is kept whole, for its backward pass follows at once.
/// Per node: the node whose second buffer its value comes to, -1 where it has none.
/// Source: Chen et al., "Training deep nets with sublinear memory cost", 2016.
constexpr std::vector<int> recompute(const graph& g, const mode& m, const std::vector<node_use>& use, const sharing& s) {
    std::vector<int> second(g.nodes.size(), -1);
    if (!m.training || !m.checkpoint) return second;
    const std::vector<int> part = parts_of_network(g);
    const auto at = [](int i) { return static_cast<std::size_t>(i); };
    const auto mark = [&](std::vector<char>& which, int i) { // the buffers that a value is read from
        if (s.value[at(i)] >= 0) which[at(s.value[at(i)])] = true;
        else
            for (const int input : g[i].inputs) which[at(s.value[at(input)])] = true;
    };

    std::vector<char> kept(g.nodes.size(), false), needed(g.nodes.size(), false);
    for (int i = 0; i < g.size(); ++i)
        if (use[at(i)].forward && !use[at(i)].given)
            for (const int input : g[i].inputs)
                if (input >= 0 && part[at(input)] != part[at(i)]) mark(kept, input);
    for (int h = 0; h < g.head_count(); ++h)
        if (m.has_head(h)) mark(kept, result_of(g.heads[at(h)], m));

    // What backward reads, and what it takes to compute that.
    for (int i = g.size() - 1; i > 0; --i) {
        const node_use& u = use[at(i)];
        if (!u.forward || s.value[at(i)] < 0) continue;
        if (u.backward && backward_reads_output(g[i].kind)) mark(needed, i);
        if (u.backward && backward_reads_input(g[i].kind, u.trains, u.batch_statistics)) mark(needed, g[i].inputs[0]);
    }
    for (int i = g.size() - 1; i > 0; --i) {
        const int host = s.value[at(i)];
        if (!use[at(i)].forward || host < 0 || s.deferred[at(i)] || !needed[at(host)] || kept[at(host)]) continue;
        for (const int input : g[i].inputs)
            if (input >= 0) mark(needed, input);
    }

    for (int i = 1; i < g.size(); ++i)
        if (const int host = s.value[at(i)]; host >= 0 && needed[at(host)] && !kept[at(host)]) second[at(i)] = host;
    for (const head_info& head : g.heads) {
        int last = head.last - 1;
        while (last >= head.first && second[at(last)] < 0) --last;
        for (int i = last; i >= head.first && part[at(i)] == part[at(last)]; --i) second[at(i)] = -1;
    }
    return second;
}

} // namespace umsrep
