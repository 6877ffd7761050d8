// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <umsrep/core/units.hpp>
#include <umsrep/graph/count.hpp>
#include <umsrep/network/check.hpp>
#include <umsrep/network/strategy.hpp>

/// What the compiler knows of a network, for static_assert and for print-outs. Sizes are those of dense float activations; a backend's
/// own layout may take more (its `storage`).
namespace umsrep {

struct dense_float {
    static constexpr storage_policy storage = dense_storage;
    static constexpr std::ptrdiff_t state_size(const node& n, bool batch_statistics, bool /*training*/) {
        return n.kind == op::batch_norm && batch_statistics ? 2 * std::ptrdiff_t{n.in.c} : 0;
    }
    static constexpr std::ptrdiff_t workspace_size(const node&, int /*batch*/, int /*threads*/, bool /*training*/) { return 0; }
    static constexpr int scalar_bytes = 4;
};

template <class Wanted, class Got> struct strategy_error;
template <int K> struct trains_last;
template <int N> struct encoder_stages;

namespace detail {

/// The mode of a network: the mode type's value, for the heads that it names.
template <class Net, class Mode>
consteval mode mode_of() {
    mode m = Mode::value(network_traits<Net>::stage_count);
    if constexpr (requires { Mode::template heads_of<Net>(); }) m.heads = Mode::template heads_of<Net>();
    return m;
}

template <class Net, class Mode>
consteval bool mode_fits() {
    constexpr int count = network_traits<Net>::stage_count;
    constexpr int first = Mode::value(count).first_trained_stage;
    if constexpr (first < 0) return holds<strategy_error<trains_last<count - first>, encoder_stages<count>>>;
    else return true;
}

/// The graph of a network as a constant.
template <std::size_t Nodes, std::size_t Labels, std::size_t Stages, std::size_t Heads>
struct fixed_graph {
    std::array<node, Nodes> nodes{};
    std::array<label, Labels> labels{};
    std::array<stage_info, Stages> stages{};
    std::array<head_info, Heads> heads{};

    constexpr int size() const { return static_cast<int>(Nodes); }
    constexpr const node& operator[](int i) const { return nodes[static_cast<std::size_t>(i)]; }
};

/// A plan whose arrays have exactly the size needed: what a constexpr variable can hold.
template <std::size_t Steps, std::size_t Buffers, std::size_t Nodes>
struct fixed_plan {
    mode what{};
    std::array<step, Steps> steps{};
    std::array<buffer, Buffers> buffers{};
    std::array<node_plan, Nodes> nodes{};
    std::ptrdiff_t arena = 0;

    constexpr int count(phase p) const {
        return static_cast<int>(std::count_if(steps.begin(), steps.end(), [p](const step& s) { return s.what == p; }));
    }
};

/// The same before it is placed, in arrays that are large enough for any plan, and how much of them it fills.
template <std::size_t Nodes, std::size_t Heads>
struct roomy_plan : fixed_plan<3 * Nodes + Heads, 3 * Nodes, Nodes> {
    std::size_t step_count = 0, buffer_count = 0;
};

// Constants one after another rather than one, for compilers limit the work of each.

template <class Net>
consteval auto freeze_graph() {
    static_assert(fits<Net>);
    const graph g = lower<Net>();
    constexpr const summary& all = summary_of<Net>;
    fixed_graph<all.nodes, all.labels, all.stages, all.heads> result{};
    std::copy(g.nodes.begin(), g.nodes.end(), result.nodes.begin());
    std::copy(g.labels.begin(), g.labels.end(), result.labels.begin());
    std::copy(g.stages.begin(), g.stages.end(), result.stages.begin());
    std::copy(g.heads.begin(), g.heads.end(), result.heads.begin());
    return result;
}
template <class Net>
inline constexpr auto graph_of = freeze_graph<Net>();

/// A copy of the constant, where the size of the image is known: what lowers a network, which grows with it, is then not compiled. Else `lower`.
template <class Net>
graph graph_for(shape image) {
    if constexpr (network_traits<Net>::is_dynamic) return lower<Net>(image);
    else {
        constexpr const auto& g = graph_of<Net>;
        constexpr const summary& all = summary_of<Net>;
        return {{g.nodes.begin(), g.nodes.end()}, {g.labels.begin(), g.labels.end()}, {g.stages.begin(), g.stages.end()}, {g.heads.begin(), g.heads.end()},
                all.parameters, all.statistics};
    }
}

template <class Net, class Mode, class Layout>
consteval auto make_roomy_plan() {
    static_assert(fits<Net>);
    static_assert(mode_fits<Net, Mode>());
    const execution_plan p = make_unplaced_plan(lower<Net>(), mode_of<Net, Mode>(), Layout::storage);
    roomy_plan<summary_of<Net>.nodes, summary_of<Net>.heads> result{};
    result.what = p.what;
    result.step_count = p.steps.size();
    result.buffer_count = p.buffers.size();
    std::copy(p.steps.begin(), p.steps.end(), result.steps.begin());
    std::copy(p.buffers.begin(), p.buffers.end(), result.buffers.begin());
    std::copy(p.nodes.begin(), p.nodes.end(), result.nodes.begin());
    return result;
}
template <class Net, class Mode, class Layout>
inline constexpr auto roomy_plan_of = make_roomy_plan<Net, Mode, Layout>();

template <class Net, class Mode, class Layout>
consteval auto freeze_plan() {
    constexpr auto& roomy = roomy_plan_of<Net, Mode, Layout>;
    fixed_plan<roomy.step_count, roomy.buffer_count, roomy.nodes.size()> result{};
    std::vector<buffer> buffers(roomy.buffers.begin(), roomy.buffers.begin() + roomy.buffer_count);
    result.what = roomy.what;
    result.nodes = roomy.nodes;
    result.arena = place(buffers);
    std::copy_n(roomy.steps.begin(), roomy.step_count, result.steps.begin());
    std::copy(buffers.begin(), buffers.end(), result.buffers.begin());
    return result;
}

} // namespace detail

/// The plan of a network in a mode, `plan<Net, infer>` or `plan<Net, train<joint<frozen>>>`: a constant.
template <class Net, class Mode, class Layout = dense_float>
inline constexpr auto plan = detail::freeze_plan<Net, Mode, Layout>();

/// Elements of all weights and biases.
template <class Net>
inline constexpr std::int64_t parameters = fits<Net> ? detail::summary_of<Net>.parameters : 0;

/// Elements of the weights and biases that a strategy trains.
template <class Net, class Mode>
inline constexpr std::int64_t trainable_parameters =
    trained_parameters(detail::graph_of<Net>, plan<Net, Mode>);

/// Multiply-accumulates of one sample: a whole prediction, `macs_per_sample<Net, infer>`, or a training step, `<Net, train<...>>`.
template <class Net, class Mode>
inline constexpr std::int64_t macs_per_sample = macs(detail::graph_of<Net>, plan<Net, Mode>);

template <class Net>
inline constexpr std::int64_t forward_macs = macs_per_sample<Net, infer>;
template <class Net, class Strategy>
inline constexpr std::int64_t training_macs = macs_per_sample<Net, train<Strategy>>;

/// Memory, bytes.
struct memory {
    std::int64_t parameters = 0;       ///< weights, biases and running statistics
    std::int64_t gradients = 0;        ///< of the parameters that train
    std::int64_t moments = 0;          ///< the optimiser's state
    std::int64_t activations = 0;      ///< the most alive at one moment
    std::int64_t activation_gradients = 0;
    std::int64_t arena = 0;            ///< what is allocated for activations and their gradients together
    std::int64_t saved_statistics = 0; ///< of batch-norms, from forward to backward
    std::int64_t workspace = 0;        ///< the backend's scratch
    std::int64_t workers = 0;          ///< the same, what each thread has for itself, of all threads
    std::int64_t border = 0;           ///< plain copies of what the backend stores in a layout of its own: images, a head's result
    constexpr std::int64_t total() const { return parameters + gradients + moments + arena + saved_statistics + workspace + workers + border; }
    friend constexpr bool operator==(const memory&, const memory&) = default;
};

/// Memory of a network in one mode, `memory_of<Net, infer>(batch{1})`. `Layout` is a backend, or dense_float: no workspace then.
template <class Net, class Mode, class Layout = dense_float>
constexpr memory memory_of(batch n, int moments_per_parameter = 2, threads t = threads{1}) {
    constexpr auto& p = plan<Net, Mode, Layout>;
    constexpr arena_use use = use_of(p);
    constexpr std::int64_t trained = trained_parameters(detail::graph_of<Net>, p);
    constexpr std::int64_t statistics = detail::summary_of<Net>.statistics;
    constexpr std::int64_t scalar = Layout::scalar_bytes;
    const std::int64_t samples = n.value * scalar;
    return {(parameters<Net> + statistics) * scalar,
            trained * scalar,
            trained * moments_per_parameter * scalar,
            use.activations * samples,
            use.gradients * samples,
            use.arena * samples,
            state_of(detail::graph_of<Net>, p, Layout::state_size) * scalar,
            workspace_of(detail::graph_of<Net>, p, Layout::workspace_size, n.value, t.value) * scalar,
            worker_memory_of<Layout>(detail::graph_of<Net>, p, n.value, t.value) * t.value * scalar,
            border_of(detail::graph_of<Net>, p, Layout::storage) * samples};
}

namespace detail {

/// The mode of a strategy's step that trains head H alone.
template <class Strategy, int H>
struct turn_of {
    static constexpr mode value(int stages) { return Strategy::value(stages, std::uint64_t{1} << H); }
};
/// What a cached strategy runs once for each sample, and how it validates.
template <class Strategy>
struct frozen_stages_of {
    static constexpr mode value(int stages) {
        mode m = Strategy::value(stages);
        m.computes = portion::frozen_stages;
        m.checkpoint = false;
        return m;
    }
};
template <class Strategy>
struct validation_of_rest {
    static constexpr mode value(int stages) {
        mode m = validate::value(stages);
        m.first_trained_stage = Strategy::value(stages).first_trained_stage;
        m.computes = portion::rest;
        return m;
    }
};
/// Validation of head H, where each task has norm statistics of its own.
template <int H>
struct validation_of_head {
    static constexpr mode value(int stages) {
        mode m = validate::value(stages);
        m.heads = std::uint64_t{1} << H;
        return m;
    }
};

} // namespace detail

/// Memory of a trainer and its model under a strategy: the plans of all its turns and of its validation share one arena. What a cached
/// strategy keeps of its samples comes on top.
template <class Net, class Strategy, class Layout = dense_float>
constexpr memory training_memory(batch n, int moments_per_parameter = 2, threads t = threads{1}) {
    memory whole = memory_of<Net, train<Strategy>, Layout>(n, moments_per_parameter, t);
    const auto share = [&](const memory& other) {
        whole.activations = std::max(whole.activations, other.activations);
        whole.activation_gradients = std::max(whole.activation_gradients, other.activation_gradients);
        whole.arena = std::max(whole.arena, other.arena);
        whole.saved_statistics = std::max(whole.saved_statistics, other.saved_statistics);
        whole.workspace = std::max(whole.workspace, other.workspace);
        whole.workers = std::max(whole.workers, other.workers);
        whole.border = std::max(whole.border, other.border);
    };
    constexpr mode one_step = Strategy::value(network_traits<Net>::stage_count);
    constexpr int heads = network_traits<Net>::head_count;
    if constexpr (Strategy::tasks == scheme::alternating) {
        whole.activations = whole.activation_gradients = whole.arena = whole.saved_statistics = whole.workspace = whole.workers = whole.border = 0;
        [&]<int... H>(std::integer_sequence<int, H...>) {
            (share(memory_of<Net, detail::turn_of<Strategy, H>, Layout>(n, 0, t)), ...);
        }(std::make_integer_sequence<int, heads>{});
    }
    if constexpr (one_step.norms == norm_statistics::per_task) {
        whole.parameters += (heads - 1) * detail::summary_of<Net>.statistics * Layout::scalar_bytes;
        [&]<int... H>(std::integer_sequence<int, H...>) {
            (share(memory_of<Net, detail::validation_of_head<H>, Layout>(n, 0, t)), ...);
        }(std::make_integer_sequence<int, heads>{});
    } else if constexpr (one_step.computes == portion::rest) {
        share(memory_of<Net, detail::validation_of_rest<Strategy>, Layout>(n, 0, t));
        share(memory_of<Net, detail::frozen_stages_of<Strategy>, Layout>(n, 0, t));
    } else {
        share(memory_of<Net, validate, Layout>(n, 0, t));
    }
    return whole;
}

/// Bytes of training: parameters, gradients, two optimiser moments, activations, and with a backend as layout its workspace.
template <class Net, class Strategy, class Layout = dense_float>
constexpr std::int64_t training_bytes(batch n, int moments_per_parameter = 2, threads t = threads{1}) {
    return training_memory<Net, Strategy, Layout>(n, moments_per_parameter, t).total();
}
template <class Net, class Layout = dense_float>
constexpr std::int64_t inference_bytes(batch n, threads t = threads{1}) {
    return memory_of<Net, infer, Layout>(n, 0, t).total();
}

} // namespace umsrep
