// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include <umsrep/graph/graph.hpp>
#include <umsrep/graph/mode.hpp>

namespace umsrep {

/// What remains of a node in a mode.
struct node_use {
    bool forward = false;          ///< it is computed
    bool backward = false;         ///< the gradient of its output is needed
    bool trains = false;           ///< the gradient of its parameters is needed
    bool batch_statistics = false; ///< a batch-norm by the batch
    bool given = false;            ///< it is not computed: its value comes from outside
    bool wanted = false;           ///< its value is read from outside, when all is computed
};

/// The node that a head delivers in a mode: its logits or its output.
constexpr int result_of(const head_info& head, const mode& m) { return m.training || m.logits ? head.logits : head.output; }

/// Throws away what a mode never needs: heads that take no part, stages behind the last tap, output activations in training, and the
/// backward pass of everything upstream of the first parameter that trains. A frozen encoder has no backward pass at all.
///
/// A portion of a network ends where stages that train, or heads, read stages that do not.
constexpr std::vector<node_use> prune(const graph& g, const mode& m) {
    std::vector<node_use> use(g.nodes.size());
    const auto at = [&](int i) -> node_use& { return use[static_cast<std::size_t>(i)]; };

    for (int h = 0; h < g.head_count(); ++h)
        if (m.has_head(h)) at(result_of(g.heads[static_cast<std::size_t>(h)], m)).forward = true;
    for (int i = g.size() - 1; i >= 0; --i)
        if (at(i).forward)
            for (const int input : g[i].inputs)
                if (input >= 0) at(input).forward = true;
    if (m.computes != portion::whole) {
        const auto frozen = [&](int i) { return i > 0 && g[i].owner < m.first_trained_stage; };
        std::vector<char> border(g.nodes.size(), false), computed(g.nodes.size(), false);
        for (int i = 1; i < g.size(); ++i)
            for (const int input : g[i].inputs)
                if (input >= 0 && at(i).forward && !frozen(i))
                    border[static_cast<std::size_t>(input)] = computed[static_cast<std::size_t>(input)] = true;
        const bool inner = m.computes == portion::frozen_stages;
        computed[0] = false; // the image is read by both
        for (int i = g.size() - 1; i > 0; --i) {
            const std::size_t n = static_cast<std::size_t>(i);
            at(i).given = !inner && frozen(i) && border[n];
            at(i).wanted = inner && frozen(i) && border[n];
            at(i).forward = inner ? frozen(i) && computed[n] : at(i).forward && (!frozen(i) || border[n]);
            for (const int input : g[i].inputs)
                if (input >= 0 && inner && at(i).forward) computed[static_cast<std::size_t>(input)] = true;
        }
        at(0).forward = inner ? computed[0] : border[0];
    }
    if (!m.training) return use;

    for (int i = 0; i < g.size(); ++i) {
        if (!at(i).forward || at(i).given) continue;
        const node& n = g[i];
        const bool in_encoder = n.owner < g.stage_count();
        const bool part_trains = !in_encoder || n.owner >= m.first_trained_stage;
        at(i).trains = part_trains && (n.weight || n.bias);
        at(i).backward = at(i).trains;
        for (const int input : n.inputs)
            if (input >= 0 && at(input).backward) at(i).backward = true;
        if (n.kind == op::batch_norm)
            at(i).batch_statistics = !in_encoder || m.norms == norm_statistics::adaptive || m.norms == norm_statistics::per_task ||
                                     (m.norms == norm_statistics::trained && part_trains);
    }
    at(0) = {at(0).forward};
    return use;
}

} // namespace umsrep
