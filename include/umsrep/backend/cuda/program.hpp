// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <umsrep/backend/cuda/kernel/fold.cuh>
#include <umsrep/backend/cuda/own_work.hpp>
#include <umsrep/backend/cuda/parameter_store.hpp>
#include <umsrep/backend/cuda/work.hpp>
#include <umsrep/backend/executor.hpp>
#include <umsrep/core/hash_name.hpp>

namespace umsrep::cuda {

/// What programs that never run at the same time share; each part is as large as the largest needs.
template <class Machine>
struct work_memory {
    using memory = typename Machine::memory;
    memory arena, state, scratch, workspace;
    std::uint64_t generation = 0; ///< changes whenever an address does: work that was captured before is void

    /// Where there is not so much, everything is as it was but for the addresses.
    void reserve(Machine& m, memory& part, std::size_t bytes) {
        if (bytes <= part.bytes()) return;
        const std::size_t before = part.bytes();
        ++generation;
        part = memory{}; // first, so that the two are never there together
        try {
            part = m.allocate(bytes);
        } catch (const device_error&) {
            part = m.allocate(before);
            throw;
        }
    }
};

/// What one run of a program works on.
template <class Machine, precision P>
struct run_arguments {
    int n = 1;                                       ///< samples
    const float* images = nullptr;                   ///< in device memory, N, C, H, W
    int statistics = 0;                              ///< the set of running statistics
    seed dropout_seed{0};                            ///< dropout draws from a stream of its own for each seed, step and node
    const kernel::u64* step = nullptr;               ///< the step's number, in device memory
    gradient_store<Machine, P>* gradients = nullptr; ///< in training
};

/// A plan bound to a device: `enqueue` gives the machine everything that a run of it computes. Nothing is allocated, waited for or copied
/// to the host there, so it may be captured; but `prepare` must have been called for the batch size, and the kernels been rehearsed.
template <class Machine, precision P>
class program {
public:
    using stored = stored_type<P>;
    using arguments = run_arguments<Machine, P>;

    /// `m`, `g` and `store` must outlive this. `capacity`: the largest batch.
    program(Machine& m, const graph& g, const mode& what, int capacity, const parameter_store<Machine, P>& store,
            std::shared_ptr<work_memory<Machine>> memory)
        : machine_{&m},
          graph_{&g},
          plan_{make_plan(g, what, device_storage)},
          capacity_{capacity},
          store_{&store},
          memory_{std::move(memory)} {
        if (capacity < 1) throw option_error("batch capacity", "at least 1", std::to_string(capacity));
        place_state();
        place_constants();
        memory_->reserve(m, memory_->arena, static_cast<std::size_t>(plan_.arena * capacity) * sizeof(stored));
        memory_->reserve(m, memory_->state, state_bytes_);
    }

    const execution_plan& plan() const { return plan_; }
    int capacity() const { return capacity_; }
    const work_memory<Machine>& memory() const { return *memory_; }

    /// Makes what a batch of n samples needs, if it is not there. Throws shape_mismatch where a norm by the batch gets one value only.
    void prepare(int n) {
        assert(n >= 1 && n <= capacity_);
        if (of_batch_.count(n) != 0) return;
        std::vector<item> items;
        std::size_t scratch = 0, workspace = 0;
        for (work& w : list_work(*graph_, plan_, n, P)) {
            const node& x = (*graph_)[w.node];
            check_norm(x, w, n);
            item i{std::move(w), nullptr};
            if (i.w.ours()) {
                workspace = std::max(workspace, i.w.kernel == own_kernel::of_node         ? own_workspace_bytes(x, n)
                                                : i.w.kernel == own_kernel::bias_gradient ? bias_workspace_bytes(x, n)
                                                                                          : 0);
            } else {
                i.ready = machine_->prepare(i.w.graph, P, n == capacity_); // smaller ones are what is left over
                workspace = std::max(workspace, i.ready->workspace());
            }
            for (const operand& o : i.w.operands)
                if (o.part == part_of_node::scratch) scratch = std::max(scratch, bytes_of(o.node, n));
            items.push_back(std::move(i));
        }
        memory_->reserve(*machine_, memory_->scratch, scratch);
        memory_->reserve(*machine_, memory_->workspace, workspace);
        of_batch_.emplace(n, std::move(items));
    }

    /// Computes anew what follows from parameters and statistics that the plan holds constant, if they changed. `me`: whose changes, told to
    /// the store, are known to leave them as they are: the trainer's whose step this is.
    void refresh(int statistics, const void* me = nullptr) {
        if (constants_.bytes() == 0) return;
        if (refreshed_ != 0 && set_ == statistics && !store_->changed_by_others(me, refreshed_)) {
            refreshed_ = store_->version();
            return;
        }
        enqueue_constants(statistics);
        if (machine_->rehearsing()) return;
        refreshed_ = store_->version();
        set_ = statistics;
    }

    /// Gives the machine the plan's work for a batch. `on_head(h, logits, gradient)` is called when head h's work has been given, with
    /// device_images of `const stored` and `stored`: it gives the machine what is done with the logits, in training what writes the
    /// gradient, which is none otherwise.
    template <class OnHead>
    void enqueue(const arguments& a, OnHead&& on_head, passes which = passes::all) {
        const auto found = of_batch_.find(a.n);
        if (found == of_batch_.end()) throw option_error("cuda: program", "a batch size that was prepared", std::to_string(a.n));
        const std::vector<item>& items = found->second;
        begin(a);
        std::size_t next = 0;
        for (int s = 0; s < static_cast<int>(plan_.steps.size()); ++s) {
            const step& now = plan_.steps[static_cast<std::size_t>(s)];
            const bool runs = which == passes::all || now.what == phase::forward;
            for (; next < items.size() && items[next].w.step == s; ++next)
                if (runs) run(items[next], a);
            if (now.what != phase::head) continue;
            const bool training = which == passes::all && plan_of(now.first).gradient >= 0;
            on_head(now.head, device_image<const stored>(image(now.first, a.n)),
                    training ? image_at<stored>(gradient(now.first), a.n, (*graph_)[now.first].out) : device_image<stored>{});
        }
    }

    /// A node's value, between runs: of one that the plan is given, or asked for.
    device_image<stored> image(int i, int n) const { return image_at<stored>(value(i, false), n, (*graph_)[i].out); }

    /// Planes of floats, N, C, H, W, to an activation and back.
    void from_planes(const float* planes, const device_image<stored>& to, int channels) {
        kernel::extents e = to.e;
        e.c = static_cast<kernel::u32>(channels);
        const kernel::u32 room = static_cast<kernel::u32>(stored_channels(channels));
        with_pack(room % 8 == 0, [&](auto pack) { machine_->launch(kernel::from_planes<float, stored, pack>{e, room, planes, to.p}); });
    }
    void to_planes(const device_image<const stored>& from, float* planes) {
        machine_->launch(kernel::to_planes<stored, float>{from.e, from.p, planes});
    }

private:
    struct item {
        work w;
        std::shared_ptr<const typename Machine::prepared> ready; ///< of a graph
    };
    /// Where what is constant during a plan lies, in bytes; -1: there is none.
    struct constant {
        std::ptrdiff_t moments = -1, weight = -1, bias = -1;
    };

    const node_plan& plan_of(int i) const { return plan_.nodes[static_cast<std::size_t>(i)]; }
    bool constant_norm(int i) const { return (*graph_)[i].kind == op::batch_norm && plan_of(i).runs() && !plan_of(i).batch_statistics; }
    bool drops(int i) const {
        const node& x = (*graph_)[i];
        return x.kind == op::dropout && plan_of(i).runs() && plan_.what.training && x.a.value > 0 &&
               (x.owner >= graph_->stage_count() || x.owner >= plan_.what.first_trained_stage);
    }
    std::size_t bytes_of(int i, int n) const { return static_cast<std::size_t>(n * stored_elements((*graph_)[i].out)) * sizeof(stored); }
    void check_norm(const node& x, const work& w, int n) const {
        const bool by_batch = x.kind == op::batch_norm && plan_of(w.node).batch_statistics;
        if (!by_batch || n * x.out.plane() > 1) return;
        throw shape_mismatch("batch_norm", "more than one value per channel to train on",
                             std::to_string(n) + " x " + std::to_string(x.in.h) + " x " + std::to_string(x.in.w));
    }

    /// What nodes keep from forward to backward, and what belongs to a run: running statistics as they were, streams, unwanted results.
    void place_state() {
        std::size_t end = 0;
        const auto take = [&](std::size_t bytes) { return std::exchange(end, end + detail::round_to_256(bytes)); };
        states_.assign(graph_->nodes.size(), 0);
        epsilons_.assign(graph_->nodes.size(), 0.0f);
        momenta_.assign(graph_->nodes.size(), 0.0f);
        bool drop = false;
        for (int i = 0; i < graph_->size(); ++i) {
            const node& x = (*graph_)[i];
            const std::size_t k = static_cast<std::size_t>(i);
            epsilons_[k] = static_cast<float>(x.a.value);
            momenta_[k] = static_cast<float>(x.a.momentum);
            drop = drop || drops(i);
            moves_ = moves_ || (plan_of(i).runs() && normalises_by_graph(*graph_, plan_, i));
            if (!plan_of(i).runs()) continue;
            const std::size_t index = static_cast<std::size_t>(capacity_ * stored_elements(x.out));
            states_[k] = take(x.kind == op::max_pool && pools_by_graph(*graph_, plan_, i) ? index : own_state_bytes(x, capacity_));
        }
        if (drop) streams_ = static_cast<std::ptrdiff_t>(take(graph_->nodes.size() * sizeof(kernel::stream)));
        if (moves_) previous_ = take(static_cast<std::size_t>(store_->layout().statistics()) * sizeof(float));
        unwanted_ = take(static_cast<std::size_t>(2 * store_->layout().widest()) * sizeof(float));
        state_bytes_ = end;
    }
    void place_constants() {
        std::size_t end = 0;
        const auto take = [&](std::size_t bytes) {
            return static_cast<std::ptrdiff_t>(std::exchange(end, end + detail::round_to_256(bytes)));
        };
        of_node_.assign(graph_->nodes.size(), {});
        for (int i = 0; i < graph_->size(); ++i)
            if (constant_norm(i)) of_node_[static_cast<std::size_t>(i)].moments = take(own_state_bytes((*graph_)[i], 1));
        for (const work& w : list_work(*graph_, plan_, 1, P)) {
            constant& c = of_node_[static_cast<std::size_t>(w.node)];
            if (w.ours() || !w.folded || c.weight >= 0) continue;
            c.weight = take(static_cast<std::size_t>(store_->layout().weight(w.node)->size()) * sizeof(stored));
            c.bias = take(static_cast<std::size_t>(stored_channels((*graph_)[w.node].out.c)) * sizeof(float));
        }
        constants_ = machine_->allocate(end);
    }

    std::byte* in_constants(std::ptrdiff_t place) const { return static_cast<std::byte*>(constants_.address()) + place; }
    std::byte* in_state(std::size_t place) const { return static_cast<std::byte*>(memory_->state.address()) + place; }
    std::byte* state(int i) const { return in_state(states_[static_cast<std::size_t>(i)]); }
    float* unwanted(int k) const { return reinterpret_cast<float*>(in_state(unwanted_)) + k * store_->layout().widest(); }
    activation_place in_arena(int buffer_number, const slice& s) const {
        if (buffer_number < 0) return {};
        auto* const whole = static_cast<stored*>(memory_->arena.address()) + plan_.buffers[static_cast<std::size_t>(buffer_number)].offset * capacity_;
        return {whole + s.first, s ? stored_channels(s.channels) : 0};
    }
    activation_place value(int i, bool again) const {
        return i < 0 ? activation_place{} : in_arena(plan_of(i).place(again), plan_of(i).value_slice); // what is computed twice is no slice
    }
    activation_place gradient(int i) const { return i < 0 ? activation_place{} : in_arena(plan_of(i).gradient, plan_of(i).gradient_slice); }
    /// Where a node gives its share of the gradient of an input.
    activation_place share(int i, std::size_t k) const {
        const int x = (*graph_)[i].inputs[k], aside = plan_of(x).aside;
        return aside >= 0 && !plan_of(i).sums ? in_arena(aside, {}) : gradient(x);
    }
    const float* vector(const stored_tensor* t) const { return t == nullptr ? nullptr : store_->master(*t); }
    kernel::moments* moments_of(int i) const {
        const std::ptrdiff_t constant_place = of_node_[static_cast<std::size_t>(i)].moments;
        return reinterpret_cast<kernel::moments*>(constant_place >= 0 ? in_constants(constant_place) : state(i));
    }
    /// Where a parameter's gradient goes; null where it is not wanted.
    void* gradient_of(const stored_tensor* t, const arguments& a) const {
        if (t == nullptr || !plan_of(t->node).trains || a.gradients == nullptr || !a.gradients->has(*t)) return nullptr;
        return a.gradients->address(*t);
    }

    void begin(const arguments& a) {
        const parameter_layout& l = store_->layout();
        if (moves_) {
            const std::ptrdiff_t size = l.statistics();
            machine_->launch(kernel::copy<float, float, 8>{{1, 1, 1, static_cast<kernel::u32>(size)},
                                                           {store_->statistics(a.statistics), size},
                                                           {reinterpret_cast<float*>(in_state(previous_)), size},
                                                           false});
        }
        if (streams_ >= 0) {
            if (a.step == nullptr) throw option_error("cuda: program with dropout", "the step's number in device memory", "none");
            machine_->launch(kernel::make_streams{a.dropout_seed.value, hash_name("dropout"), a.step,
                                                  static_cast<kernel::u32>(graph_->size()), streams()});
        }
        if (plan_of(0).value >= 0) from_planes(a.images, image(0, a.n), (*graph_)[0].out.c);
    }
    kernel::stream* streams() const { return reinterpret_cast<kernel::stream*>(in_state(static_cast<std::size_t>(streams_))); }

    void enqueue_constants(int statistics) {
        const parameter_layout& l = store_->layout();
        for (int i = 0; i < graph_->size(); ++i) {
            if (!constant_norm(i)) continue;
            machine_->launch(kernel::constant_moments{
                static_cast<kernel::u32>(stored_channels((*graph_)[i].out.c)), store_->statistic(*l.running_mean(i), statistics),
                store_->statistic(*l.running_var(i), statistics), epsilons_[static_cast<std::size_t>(i)], moments_of(i)});
        }
        for (int i = 0; i < graph_->size(); ++i) { // a convolution, and the norm behind it
            const constant& c = of_node_[static_cast<std::size_t>(i)];
            if (c.weight < 0) continue;
            const node& x = (*graph_)[i];
            const auto u = [](std::ptrdiff_t v) { return static_cast<kernel::u32>(v); };
            const stored_tensor& w = *l.weight(i);
            const float *const scale = vector(l.weight(i + 1)), *const shift = vector(l.bias(i + 1));
            const kernel::moments* const kept = moments_of(i + 1);
            machine_->launch(kernel::fold_weight<stored>{u(w.outputs), u(w.taps), u(w.inputs),
                                                         x.kind == op::conv_transpose ? u(w.outputs / x.a.groups) : 0, store_->master(w),
                                                         kept, scale, reinterpret_cast<stored*>(in_constants(c.weight))});
            machine_->launch(kernel::fold_bias{u(stored_channels(x.out.c)), vector(l.bias(i)), kept, scale, shift,
                                               reinterpret_cast<float*>(in_constants(c.bias))});
        }
    }

    void run(const item& i, const arguments& a) {
        if (i.w.ours()) return run_own(i.w, a);
        std::vector<argument> addresses;
        addresses.reserve(i.w.operands.size());
        for (const operand& o : i.w.operands) addresses.push_back({o.what, address(o, i.w.what, a)});
        machine_->run(*i.ready, addresses, memory_->workspace.address());
    }

    void* address(const operand& o, phase what, const arguments& a) const {
        const parameter_layout& l = store_->layout();
        const std::size_t i = static_cast<std::size_t>(o.node);
        const auto constant_or = [](const stored_tensor* t, auto of, float* otherwise) -> void* {
            return t != nullptr ? of(*t) : otherwise;
        };
        const auto wanted_or = [&](const stored_tensor* t, int k) {
            return gradient_of(t, a) != nullptr ? gradient_of(t, a) : unwanted(k);
        };
        const auto previous = [&](const stored_tensor* t) { return reinterpret_cast<float*>(in_state(previous_)) + t->place; };
        const auto moved = [&](const stored_tensor* t, int k) {
            return what == phase::recompute ? unwanted(k) : store_->statistic(*t, a.statistics); // they move once
        };
        switch (o.part) {
            case part_of_node::value:
                return value(o.node, what != phase::forward).address;
            case part_of_node::gradient:
                return gradient(o.node).address;
            case part_of_node::aside:
                return in_arena(plan_of(o.node).aside, {}).address;
            case part_of_node::scratch:
                return memory_->scratch.address();
            case part_of_node::weight:
                return constant_or(
                    l.weight(o.node), [&](const stored_tensor& t) { return store_->read_by_layers(t); }, store_->ones());
            case part_of_node::bias:
                return constant_or(
                    l.bias(o.node), [&](const stored_tensor& t) { return store_->read_by_layers(t); }, store_->zeros());
            case part_of_node::grad_weight:
                return wanted_or(l.weight(o.node), 0);
            case part_of_node::grad_bias:
                return wanted_or(l.bias(o.node), 1);
            case part_of_node::folded_weight:
                return in_constants(of_node_[i].weight);
            case part_of_node::folded_bias:
                return in_constants(of_node_[i].bias);
            case part_of_node::mean:
            case part_of_node::index:
                return state(o.node);
            case part_of_node::deviation:
                return reinterpret_cast<float*>(state(o.node)) + stored_channels((*graph_)[o.node].out.c);
            case part_of_node::previous_mean:
                return previous(l.running_mean(o.node));
            case part_of_node::previous_variance:
                return previous(l.running_var(o.node));
            case part_of_node::running_mean:
                return moved(l.running_mean(o.node), 0);
            case part_of_node::running_variance:
                return moved(l.running_var(o.node), 1);
            case part_of_node::epsilon:
                return const_cast<float*>(&epsilons_[i]); // cuDNN takes what it reads by pointers to what is not const
            case part_of_node::momentum:
                return const_cast<float*>(&momenta_[i]);
        }
        return nullptr;
    }

    void run_own(const work& w, const arguments& a) {
        const node& x = (*graph_)[w.node];
        const node_plan& u = plan_of(w.node);
        const parameter_layout& l = store_->layout();
        const bool again = w.what != phase::forward;
        own_work<Machine, stored> own(*machine_);
        const auto input = [&](std::size_t k) { return x.inputs[k]; };
        switch (w.kernel) {
            case own_kernel::add_up: {
                const float* const bias =
                    !w.behind.bias ? nullptr
                    : w.folded     ? reinterpret_cast<const float*>(in_constants(of_node_[static_cast<std::size_t>(w.node)].bias))
                                   : vector(l.bias(w.node));
                const activation_place y = value(w.node, again);
                return own.add_up(a.n, x.out, y, bias, value(w.skip, again), w.behind.relu, y);
            }
            case own_kernel::bias_gradient: {
                const stored_tensor* const bias = l.bias(w.node);
                float* const to = static_cast<float*>(gradient_of(bias, a));
                return own.sum_channels(a.n, x.out, gradient(w.node), memory_->workspace.address(), to != nullptr ? to : unwanted(1));
            }
            case own_kernel::pass_gradient:
                return own.pass(a.n, x.out, gradient(w.node), share(w.node, w.input), u.accumulate[w.input]);
            case own_kernel::add_gradient:
                return own.pass(a.n, x.in, memory_->scratch.address(), share(w.node, 0), true);
            default:
                break;
        }
        own_operands o;
        o.n = &x;
        o.batch = a.n;
        for (const std::size_t k : {0u, 1u})
            if (input(k) >= 0) {
                if (x.kind != op::concat || k == w.input) o.in[k] = value(input(k), again);
                o.in_shape[k] = (*graph_)[input(k)].out;
            }
        o.out = value(w.node, again);
        o.skip = value(w.skip, again);
        o.relu = w.behind.relu;
        o.weight = vector(l.weight(w.node));
        o.bias = vector(l.bias(w.node));
        o.batch_statistics = u.batch_statistics;
        if (x.kind == op::batch_norm && u.batch_statistics && w.what == phase::forward) {
            o.running_mean = store_->statistic(*l.running_mean(w.node), a.statistics);
            o.running_var = store_->statistic(*l.running_var(w.node), a.statistics);
        }
        o.state = x.kind == op::batch_norm ? static_cast<void*>(moments_of(w.node)) : state(w.node);
        o.workspace = memory_->workspace.address();
        if (drops(w.node)) o.random = streams() + w.node;
        if (w.what != phase::backward) return own.forward(o);

        o.grad_out = gradient(w.node);
        for (const std::size_t k : {0u, 1u})
            if (u.differentiate[k] && (x.kind != op::concat || k == w.input)) o.grad_in[k] = share(w.node, k);
        o.accumulate = u.accumulate;
        o.grad_weight = static_cast<float*>(gradient_of(l.weight(w.node), a));
        o.grad_bias = static_cast<float*>(gradient_of(l.bias(w.node), a));
        own.backward(o);
    }

    Machine* machine_;
    const graph* graph_;
    execution_plan plan_;
    int capacity_;
    const parameter_store<Machine, P>* store_;
    std::shared_ptr<work_memory<Machine>> memory_;
    typename Machine::memory constants_;
    std::vector<constant> of_node_;
    std::vector<std::size_t> states_; ///< per node: where its state begins
    std::vector<float> epsilons_, momenta_;
    std::size_t state_bytes_ = 0, previous_ = 0, unwanted_ = 0;
    std::ptrdiff_t streams_ = -1;
    bool moves_ = false; ///< running statistics, by graphs
    std::map<int, std::vector<item>> of_batch_;
    std::uint64_t refreshed_ = 0;
    int set_ = -1;
};

} // namespace umsrep::cuda
