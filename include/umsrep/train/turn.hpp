// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <umsrep/graph/graph.hpp>
#include <umsrep/graph/mode.hpp>
#include <umsrep/model.hpp>

namespace umsrep {

/// A kind of training step: its heads, its plan, and what its backward pass gives gradients for. A stage behind the last tap of its heads
/// gets none.
template <class Backend>
struct turn {
    using T = typename Backend::scalar;

    turn(const graph& g, const mode& m, int capacity, thread_pool& pool, std::shared_ptr<executor_memory<T>> memory)
        : run{g, m, capacity, pool, std::move(memory)},
          heads{m.heads},
          reaches(static_cast<std::size_t>(g.stage_count() + g.head_count())) {
        const std::vector<node_plan>& plans = run.plan().nodes;
        for (std::size_t i = 0; i < plans.size(); ++i)
            if (plans[i].trains) reaches[static_cast<std::size_t>(g.nodes[i].owner)] = true;
        for (std::size_t i = 0; i < plans.size(); ++i) {
            const node& n = g.nodes[i];
            const bool in_encoder = n.owner < g.stage_count();
            if (in_encoder && plans[i].batch_statistics)
                for (const slot s : {n.running_mean, n.running_var})
                    if (s) moved_statistics.push_back(s);
            if (plans[i].trains || !reaches[static_cast<std::size_t>(n.owner)]) continue;
            for (const slot s : {n.weight, n.bias})
                if (s) idle.push_back(s);
        }
    }

    bool has_head(std::size_t h) const { return ((heads >> h) & 1U) != 0; }

    executor<Backend> run;
    std::uint64_t heads;
    std::vector<char> reaches;          ///< per part (stage or head): some of its gradients are computed
    std::vector<slot> idle;             ///< parameters of reached parts whose own gradients are not
    std::vector<slot> moved_statistics; ///< running statistics of the encoder that a run moves
};

} // namespace umsrep
