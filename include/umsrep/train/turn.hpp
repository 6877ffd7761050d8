// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/data/batch.hpp>
#include <umsrep/graph/graph.hpp>
#include <umsrep/graph/mode.hpp>
#include <umsrep/model.hpp>
#include <umsrep/train/labelled.hpp>

namespace umsrep {

/// What a kind of training step does: its heads, and what its backward pass gives gradients for. A stage behind the last tap of its heads
/// gets none.
struct turn_facts {
    turn_facts(const graph& g, const execution_plan& plan)
        : heads{plan.what.heads}, reaches(static_cast<std::size_t>(g.stage_count() + g.head_count())) {
        const std::vector<node_plan>& plans = plan.nodes;
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

    std::uint64_t heads;
    std::vector<char> reaches;          ///< per part (stage or head): some of its gradients are computed
    std::vector<slot> idle;             ///< parameters of reached parts whose own gradients are not
    std::vector<slot> moved_statistics; ///< running statistics of the encoder that a run moves
};

/// A kind of training step and what runs it.
template <class Backend>
struct turn : turn_facts {
    using T = typename Backend::scalar;

    turn(const graph& g, const mode& m, int capacity, thread_pool& pool, std::shared_ptr<executor_memory<T>> memory)
        : turn{g, executor<Backend>{g, m, capacity, pool, std::move(memory)}} {}

    executor<Backend> run;

private:
    turn(const graph& g, executor<Backend> e) : turn_facts{g, e.plan()}, run{std::move(e)} {}
};

[[noreturn]] inline void throw_unlabelled(const data::batch& b) {
    throw label_error("batch of '" + b.ids.front() + "'", "a label for a head that is trained", "none");
}

/// Whose turn it is: the next in a row that goes on from step to step, but for those whose heads have no label in the batch. `count` turns;
/// `at(i)`: the facts of one. Throws label_error where none has a label.
template <class At>
std::size_t next_turn(std::size_t count, At at, const data::batch& b, std::uint64_t step) {
    for (std::size_t k = 0; k < count; ++k) {
        const std::size_t next = (static_cast<std::size_t>(step) + k) % count;
        for (std::size_t h = 0; h < b.heads.size(); ++h)
            if (at(next).has_head(h) && labelled(b, h) > 0) return next;
    }
    throw_unlabelled(b);
}

} // namespace umsrep
