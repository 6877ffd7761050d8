// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <umsrep/backend/operands.hpp>
#include <umsrep/core/aligned_array.hpp>
#include <umsrep/core/error.hpp>
#include <umsrep/core/floating_point_mode.hpp>
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
    std::uint64_t version = 0; ///< changes whenever parameters or statistics may have; 0: they may have at any time
    int set = 0;               ///< which of a model's sets of running statistics these are
};

/// What executors work in. Several that never run at the same time may share one; each part is as large as the largest needs.
template <class T>
struct executor_memory {
    aligned_array<T> arena, workspace;
    aligned_array<T> workers; ///< of each worker of the pool, one after another
    aligned_array<T> saved;   ///< the nodes' states, from forward to backward
    aligned_array<T> border;  ///< plain copies of what the backend stores in a layout of its own

    static void reserve(aligned_array<T>& a, std::ptrdiff_t elements) {
        if (static_cast<std::size_t>(elements) > a.size()) a = aligned_array<T>(static_cast<std::size_t>(elements));
    }
};

/// Whether denormal numbers count as 0 in what a backend computes, on every thread: where it says so by a constant of this name.
template <class Backend>
constexpr bool flushes_denormals() {
    if constexpr (requires { Backend::flushes_denormals; }) return Backend::flushes_denormals;
    else return false;
}

/// Which steps of a training plan `executor::run` runs.
enum class passes : std::uint8_t {
    all,
    forward, ///< up to the heads' results; running statistics move as they do in training
};

/// Runs one plan on one backend in an arena, at the offsets the plan placed. Nothing is allocated after construction.
/// What a backend offers: docs/design/backend.md.
template <class Backend>
class executor {
public:
    using scalar = typename Backend::scalar;

    /// `g` and `pool` must outlive the executor. Without `memory` it has its own.
    executor(const graph& g, const mode& m, int capacity, thread_pool& pool,
             std::shared_ptr<executor_memory<scalar>> memory = std::make_shared<executor_memory<scalar>>())
        : graph_{&g}, pool_{&pool}, plan_{make_plan(g, m, Backend::storage)}, capacity_{capacity}, memory_{std::move(memory)} {
        if (capacity < 1) throw option_error("batch capacity", "at least 1", std::to_string(capacity));
        states_.assign(g.nodes.size(), 0);
        const auto keep = [&](int i, std::ptrdiff_t offset) { states_[static_cast<std::size_t>(i)] = offset; };
        const std::ptrdiff_t saved = place_states(g, plan_, Backend::state_size, keep);
        memory_->reserve(memory_->arena, plan_.arena * capacity);
        memory_->reserve(memory_->workspace, workspace_of(g, plan_, Backend::workspace_size, capacity, pool.threads()));
        memory_->reserve(memory_->workers, worker_memory_of<Backend>(g, plan_, capacity, pool.threads()) * pool.threads());
        memory_->reserve(memory_->saved, saved);
        memory_->reserve(memory_->border, border_of(g, plan_, Backend::storage) * capacity);

        std::size_t longest = 0;
        for (const step& s : plan_.steps) longest = std::max(longest, static_cast<std::size_t>(s.last - s.first + 1));
        chain_.reserve(longest);
        streams_.reserve(longest);
    }

    const execution_plan& plan() const { return plan_; }
    int capacity() const { return capacity_; }

    /// Takes the batch that `run` works on: `n` images, N, C, H, W, of any real type.
    template <class Image>
    void set_input(int n, const Image* images) {
        assert(n >= 1 && n <= capacity_);
        const tensor_view<scalar> to = value(0, n);
        if (!to) return; // the plan does not read the image
        const bool dense = Backend::storage.dense(to.s);
        scalar* const plain = dense ? to.data : memory_->border.data();
        std::transform(images, images + to.size(), plain, [](Image v) { return static_cast<scalar>(v); });
        if (!dense) Backend::from_dense(plain, to);
    }

    /// Takes, for `n` samples, N, C, H, W, the value of a node that the plan is given; see portion.
    void set_value(int i, int n, const scalar* plain) {
        assert(plan_of(i).given && n >= 1 && n <= capacity_);
        const tensor_view<scalar> to = value(i, n);
        if (Backend::storage.dense(to.s)) std::copy_n(plain, to.size(), to.data);
        else Backend::from_dense(plain, to);
    }
    /// Copies the value of a node that the plan was asked for.
    void get_value(int i, int n, scalar* plain) {
        assert(plan_of(i).wanted && n >= 1 && n <= capacity_);
        const tensor_view<const scalar> from = value(i, n);
        if (Backend::storage.dense(from.s)) std::copy_n(from.data, from.size(), plain);
        else Backend::to_dense(from, plain);
    }

    /// Runs the plan on the `n` images of `set_input`. `on_head(h, result, gradient)` is called as soon as head `h` is computed; in
    /// training it must write the gradient of the loss with respect to `result` to `gradient` (null in inference); both are N, C, H, W.
    /// Without backward passes `gradient` is null, too. Dropout draws from a stream of its own for each `dropout_seed`, `step_number` and node.
    template <class OnHead>
    void run(int n, const model_arrays<scalar>& arrays, seed dropout_seed, std::uint64_t step_number, OnHead&& on_head,
             passes which = passes::all) {
        assert(n >= 1 && n <= capacity_);
        const flush_denormals mode{flushes_denormals<Backend>()};
        const pass now{n, &arrays, dropout_seed, step_number};
        for (const step& s : plan_.steps) {
            if (s.what == phase::head) {
                deliver(s, n, which, on_head);
                continue;
            }
            if (which == passes::forward && s.what != phase::forward) continue;
            const bool backward = s.what == phase::backward;
            chain_.clear();
            streams_.clear();
            for (int i = s.first; i <= s.last; ++i)
                if (!backward || plan_of(i).gradient >= 0) add_to_chain(i, now, s.what);
            const std::span<const operands<scalar>> chain(chain_);
            if (backward) Backend::backward(chain);
            else Backend::forward(chain);
        }
    }

private:
    /// What is the same for all nodes of one run.
    struct pass {
        int n;
        const model_arrays<scalar>* arrays;
        seed dropout_seed;
        std::uint64_t step_number;
    };

    const node_plan& plan_of(int i) const { return plan_.nodes[static_cast<std::size_t>(i)]; }
    bool in_parts(int i) const { return plan_of(i).deferred && (*graph_)[i].kind == op::concat; }
    scalar* state(int i) { return memory_->saved.data() + states_[static_cast<std::size_t>(i)]; }
    scalar* in_arena(int buffer_number) {
        if (buffer_number < 0) return nullptr;
        return memory_->arena.data() + plan_.buffers[static_cast<std::size_t>(buffer_number)].offset * capacity_;
    }
    /// Without data where the plan stores none.
    tensor_view<scalar> value(int i, int n, bool again = false) {
        return {plan_of(i).deferred ? nullptr : in_arena(plan_of(i).place(again)), n, (*graph_)[i].out};
    }
    tensor_view<scalar> gradient(int i, int n) { return {in_arena(plan_of(i).gradient), n, (*graph_)[i].out}; }

    /// How the value of a node is read.
    parts<const scalar> source(int i, bool again) {
        const node& x = (*graph_)[i];
        parts<const scalar> result;
        result.count = 1;
        if (!plan_of(i).deferred) {
            result[0].data = in_arena(plan_of(i).place(again));
            result[0].s = x.out;
            return result;
        }
        result = source(x.inputs[0], again);
        switch (x.kind) {
        case op::batch_norm: result[0].norm = state(i); break;
        case op::relu: result[0].relu = true; break;
        default: // concat
            result[1] = source(x.inputs[1], again)[0];
            result.count = 2;
        }
        return result;
    }

    /// Where node i puts the gradient of its input k.
    parts<scalar> sink(int i, std::size_t k) {
        const int input = (*graph_)[i].inputs[k];
        const auto whole = [&](int x, bool accumulate) {
            part<scalar> result;
            result.data = in_arena(plan_of(x).gradient);
            result.s = (*graph_)[x].out;
            result.accumulate = accumulate;
            return result;
        };
        parts<scalar> result;
        result.count = in_parts(input) ? 2 : 1;
        result[0] = whole(result.count == 2 ? (*graph_)[input].inputs[0] : input, plan_of(i).accumulate[k]);
        if (result.count == 2) result[1] = whole((*graph_)[input].inputs[1], plan_of(i).accumulate_second[k]);
        return result;
    }

    template <class OnHead>
    void deliver(const step& s, int n, passes which, OnHead& on_head) {
        const tensor_view<scalar> result = value(s.first, n);
        const tensor_view<scalar> wanted = which == passes::all ? gradient(s.first, n) : tensor_view<scalar>{};
        if (Backend::storage.dense(result.s)) return on_head(s.head, result, wanted ? wanted : tensor_view<scalar>{});
        const tensor_view<scalar> plain{memory_->border.data(), n, result.s};
        tensor_view<scalar> plain_gradient;
        if (wanted) plain_gradient = {plain.data + round_to_granularity(result.s.size()) * capacity_, n, result.s};
        Backend::to_dense(tensor_view<const scalar>(result), plain.data);
        on_head(s.head, plain, plain_gradient);
        if (wanted) Backend::from_dense(plain_gradient.data, wanted);
    }

    bool drops(const node& x) const {
        return plan_.what.training && (x.owner >= graph_->stage_count() || x.owner >= plan_.what.first_trained_stage);
    }

    void add_to_chain(int i, const pass& now, phase what) {
        const bool again = what != phase::forward;
        const node& x = (*graph_)[i];
        const node_plan& p = plan_of(i);
        const model_arrays<scalar>& arrays = *now.arrays;
        operands<scalar>& o = chain_.emplace_back();
        o.n = &x;
        o.pool = pool_;
        o.workspace = memory_->workspace.data();
        o.workers = {memory_->workers.data(), static_cast<std::ptrdiff_t>(memory_->workers.size()) / pool_->threads()};
        o.state = state(i);
        for (std::size_t k = 0; k < 2; ++k)
            if (x.inputs[k] >= 0) {
                o.in[k] = value(x.inputs[k], now.n, again);
                o.sources[k] = source(x.inputs[k], again);
            }
        o.out = value(i, now.n, again);
        o.result = source(i, again);
        if (x.weight) o.weight = arrays.parameters + x.weight.offset;
        if (x.bias) o.bias = arrays.parameters + x.bias.offset;
        if (x.running_mean) {
            o.running_mean = arrays.statistics + x.running_mean.offset;
            o.running_var = arrays.statistics + x.running_var.offset;
        }
        o.batch_statistics = p.batch_statistics;
        o.recomputing = what == phase::recompute;
        o.training = x.kind == op::dropout && drops(x);
        o.random = &streams_.emplace_back(now.dropout_seed, "dropout",
                                          now.step_number * static_cast<std::uint64_t>(graph_->size()) + static_cast<std::uint64_t>(i));
        if (what != phase::backward) return;

        o.grad_out = gradient(i, now.n);
        for (std::size_t k = 0; k < 2; ++k)
            if (p.differentiate[k]) {
                o.grad_in[k] = gradient(x.inputs[k], now.n);
                o.sinks[k] = sink(i, k);
            }
        o.accumulate = p.accumulate;
        if (p.trains && x.weight) o.grad_weight = arrays.gradients + (x.weight.offset - arrays.first_gradient);
        if (p.trains && x.bias) o.grad_bias = arrays.gradients + (x.bias.offset - arrays.first_gradient);
    }

    const graph* graph_;
    thread_pool* pool_;
    execution_plan plan_;
    int capacity_;
    std::shared_ptr<executor_memory<scalar>> memory_;
    std::vector<std::ptrdiff_t> states_;       ///< per node: where its state begins
    std::vector<operands<scalar>> chain_;      ///< the step in progress
    std::vector<random_stream> streams_;       ///< its dropout's, one per node
};

} // namespace umsrep
