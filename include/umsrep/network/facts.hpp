// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <umsrep/core/units.hpp>
#include <umsrep/graph/count.hpp>
#include <umsrep/network/check.hpp>
#include <umsrep/network/strategy.hpp>

/// What the compiler knows of a network, for static_assert and for print-outs. Sizes are those of dense float activations; a backend's
/// own layout may take more (its `activation_size`).
namespace umsrep {

struct dense_float {
    static constexpr std::ptrdiff_t activation_size(shape s) { return s.size(); }
    static constexpr int scalar_bytes = 4;
};

template <class Wanted, class Got> struct strategy_error;
template <int K> struct trains_last;
template <int N> struct encoder_stages;

namespace detail {

template <class Net, class Mode>
consteval bool mode_fits() {
    constexpr int count = network_traits<Net>::stage_count;
    constexpr int first = Mode::value(count).first_trained_stage;
    if constexpr (first < 0) return holds<strategy_error<trains_last<count - first>, encoder_stages<count>>>;
    else return true;
}

/// The nodes of a network as a constant.
template <std::size_t Nodes>
struct fixed_graph {
    std::array<node, Nodes> nodes{};

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
struct roomy_plan : fixed_plan<2 * Nodes + Heads, 2 * Nodes, Nodes> {
    std::size_t step_count = 0, buffer_count = 0;
};

// Constants one after another rather than one, for compilers limit the work of each.

template <class Net>
consteval auto freeze_graph() {
    static_assert(fits<Net>);
    const graph g = lower<Net>();
    fixed_graph<summary_of<Net>.nodes> result{};
    std::copy(g.nodes.begin(), g.nodes.end(), result.nodes.begin());
    return result;
}
template <class Net>
inline constexpr auto graph_of = freeze_graph<Net>();

template <class Net, class Mode, class Layout>
consteval auto make_roomy_plan() {
    static_assert(fits<Net>);
    static_assert(mode_fits<Net, Mode>());
    const execution_plan p =
        make_unplaced_plan(lower<Net>(), Mode::value(network_traits<Net>::stage_count), Layout::activation_size);
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

/// Memory of a network in a mode and batch size, bytes.
struct memory {
    std::int64_t parameters = 0;  ///< weights, biases and running statistics
    std::int64_t gradients = 0;   ///< of the parameters that train
    std::int64_t moments = 0;     ///< the optimiser's state
    std::int64_t activations = 0; ///< the most alive at one moment
    std::int64_t activation_gradients = 0;
    std::int64_t arena = 0;       ///< what is allocated for activations and their gradients together
    constexpr std::int64_t total() const { return parameters + gradients + moments + arena; }
};

template <class Net, class Mode, class Layout = dense_float>
constexpr memory memory_of(batch n, int moments_per_parameter = 2) {
    constexpr auto& p = plan<Net, Mode, Layout>;
    constexpr arena_use use = use_of(p);
    constexpr std::int64_t trained = trained_parameters(detail::graph_of<Net>, p);
    constexpr std::int64_t all = parameters<Net> + detail::summary_of<Net>.statistics;
    const std::int64_t scalar = Layout::scalar_bytes, samples = n.value * scalar;
    return {all * scalar, trained * scalar, trained * moments_per_parameter * scalar,
            use.activations * samples, use.gradients * samples, use.arena * samples};
}

/// Bytes of a training step: parameters, gradients, two optimiser moments, activations.
template <class Net, class Strategy, class Layout = dense_float>
constexpr std::int64_t training_bytes(batch n, int moments_per_parameter = 2) {
    return memory_of<Net, train<Strategy>, Layout>(n, moments_per_parameter).total();
}
template <class Net, class Layout = dense_float>
constexpr std::int64_t inference_bytes(batch n) {
    return memory_of<Net, infer, Layout>(n, 0).total();
}

} // namespace umsrep
