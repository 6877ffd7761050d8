// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <umsrep/backend/operands.hpp>
#include <umsrep/core/aligned_array.hpp>
#include <umsrep/core/error.hpp>
#include <umsrep/core/thread_pool.hpp>
#include <umsrep/graph/count.hpp>

namespace umsrep {

/// The arrays of a model that a plan reads and writes; offsets into them are the slots of the graph's nodes.
template <class T>
struct model_arrays {
    const T* parameters = nullptr;
    T* statistics = nullptr;
    T* gradients = nullptr;                ///< element 0 belongs to parameter `first_gradient`; null in inference
    std::ptrdiff_t first_gradient = 0;
};

/// What executors work in. Several that never run at the same time may share one; it is as large as the largest needs.
template <class T>
struct executor_memory {
    aligned_array<T> arena, workspace;
    aligned_array<T> saved; ///< statistics that batch-norms keep from forward to backward, in the slots of the running ones

    void reserve(std::ptrdiff_t arena_elements, std::ptrdiff_t workspace_elements, std::ptrdiff_t saved_elements) {
        const auto grow = [](aligned_array<T>& a, std::ptrdiff_t n) {
            if (static_cast<std::size_t>(n) > a.size()) a = aligned_array<T>(static_cast<std::size_t>(n));
        };
        grow(arena, arena_elements);
        grow(workspace, workspace_elements);
        grow(saved, saved_elements);
    }
};

/// Runs one plan on one backend in an arena, at the offsets the plan placed. Nothing is allocated after construction. A backend offers `scalar`, `activation_size(shape)`, `workspace_size(node, batch, threads)`, and
/// `forward` / `backward` of `operands<scalar>`.
template <class Backend>
class executor {
public:
    using scalar = typename Backend::scalar;

    /// `g` and `pool` must outlive the executor. Without `memory` it has its own.
    executor(const graph& g, const mode& m, int capacity, thread_pool& pool,
             std::shared_ptr<executor_memory<scalar>> memory = std::make_shared<executor_memory<scalar>>())
        : graph_{&g}, pool_{&pool}, plan_{make_plan(g, m, Backend::activation_size)}, capacity_{capacity}, memory_{std::move(memory)} {
        if (capacity < 1) throw option_error("batch capacity", "at least 1", std::to_string(capacity));
        memory_->reserve(plan_.arena * capacity, workspace_of(g, plan_, Backend::workspace_size, capacity, pool.threads()),
                         saves_statistics(plan_) ? g.statistics : 0);
    }

    const execution_plan& plan() const { return plan_; }
    int capacity() const { return capacity_; }

    /// Where the next batch of `n` images goes before `run`.
    tensor_view<scalar> input(int n) { return value(0, n); }

    /// Runs the plan on the `n` images in `input`. `on_head(h, result, gradient)` is called as soon as head `h` is computed; in training
    /// it must write the gradient of the loss with respect to `result` to `gradient` (null in inference). Dropout draws from a
    /// stream of its own for each `dropout_seed`, `step_number` and node.
    template <class OnHead>
    void run(int n, const model_arrays<scalar>& arrays, seed dropout_seed, std::uint64_t step_number, OnHead&& on_head) {
        assert(n >= 1 && n <= capacity_);
        for (const step& s : plan_.steps) {
            if (s.what == phase::forward) {
                for (int i = s.first; i <= s.last; ++i) run_node(i, n, arrays, dropout_seed, step_number, false);
            } else if (s.what == phase::backward) {
                for (int i = s.last; i >= s.first; --i)
                    if (plan_of(i).gradient >= 0) run_node(i, n, arrays, dropout_seed, step_number, true);
            } else {
                on_head(s.head, value(s.first, n), plan_of(s.first).gradient >= 0 ? gradient(s.first, n) : tensor_view<scalar>{});
            }
        }
    }

private:
    const node_plan& plan_of(int i) const { return plan_.nodes[static_cast<std::size_t>(i)]; }
    tensor_view<scalar> in_arena(int buffer_number, int n, shape s) {
        return {memory_->arena.data() + plan_.buffers[static_cast<std::size_t>(buffer_number)].offset * capacity_, n, s};
    }
    tensor_view<scalar> value(int i, int n) { return in_arena(plan_of(i).value, n, (*graph_)[i].out); }
    tensor_view<scalar> gradient(int i, int n) { return in_arena(plan_of(i).gradient, n, (*graph_)[i].out); }

    bool drops(const node& x) const {
        return plan_.what.training && (x.owner >= graph_->stage_count() || x.owner >= plan_.what.first_trained_stage);
    }

    void run_node(int i, int n, const model_arrays<scalar>& arrays, seed dropout_seed, std::uint64_t step_number, bool backward) {
        const node& x = (*graph_)[i];
        const node_plan& p = plan_of(i);
        operands<scalar> o;
        o.n = &x;
        o.pool = pool_;
        o.workspace = memory_->workspace.data();
        for (std::size_t k = 0; k < 2; ++k)
            if (x.inputs[k] >= 0) o.in[k] = value(x.inputs[k], n);
        o.out = value(i, n);
        if (x.weight) o.weight = arrays.parameters + x.weight.offset;
        if (x.bias) o.bias = arrays.parameters + x.bias.offset;
        if (x.running_mean) {
            o.running_mean = arrays.statistics + x.running_mean.offset;
            o.running_var = arrays.statistics + x.running_var.offset;
        }
        o.batch_statistics = p.batch_statistics;
        if (p.batch_statistics) {
            o.saved_mean = memory_->saved.data() + x.running_mean.offset;
            o.saved_rstd = memory_->saved.data() + x.running_var.offset;
        }
        o.training = x.kind == op::dropout && drops(x);
        const random_stream stream(dropout_seed, "dropout", step_number * static_cast<std::uint64_t>(graph_->size()) +
                                                                static_cast<std::uint64_t>(i));
        o.random = &stream;
        if (!backward) return Backend::forward(o);

        o.grad_out = gradient(i, n);
        for (std::size_t k = 0; k < 2; ++k)
            if (p.differentiate[k]) o.grad_in[k] = gradient(x.inputs[k], n);
        o.accumulate = p.accumulate;
        if (p.trains && x.weight) o.grad_weight = arrays.gradients + (x.weight.offset - arrays.first_gradient);
        if (p.trains && x.bias) o.grad_bias = arrays.gradients + (x.bias.offset - arrays.first_gradient);
        Backend::backward(o);
    }

    const graph* graph_;
    thread_pool* pool_;
    execution_plan plan_;
    int capacity_;
    std::shared_ptr<executor_memory<scalar>> memory_;
};

} // namespace umsrep
