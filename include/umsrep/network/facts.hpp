// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <span>

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

/// The plan of a mode as a value; transient in constant expressions.
template <class Net, class Mode, class Layout>
constexpr execution_plan plan_value() {
    static_assert(fits<Net>);
    static_assert(mode_fits<Net, Mode>());
    return make_plan(lower<Net>(), Mode::value(network_traits<Net>::stage_count), Layout::activation_size);
}

template <class Net, class Mode, class Layout>
consteval auto plan_sizes() {
    const execution_plan p = plan_value<Net, Mode, Layout>();
    return std::array{p.steps.size(), p.buffers.size(), p.nodes.size()};
}

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

template <class Net, class Mode, class Layout>
consteval auto freeze_plan() {
    constexpr auto sizes = plan_sizes<Net, Mode, Layout>();
    const execution_plan p = plan_value<Net, Mode, Layout>();
    fixed_plan<sizes[0], sizes[1], sizes[2]> result{};
    result.what = p.what;
    std::copy(p.steps.begin(), p.steps.end(), result.steps.begin());
    std::copy(p.buffers.begin(), p.buffers.end(), result.buffers.begin());
    std::copy(p.nodes.begin(), p.nodes.end(), result.nodes.begin());
    result.arena = p.arena;
    return result;
}

} // namespace detail

/// The plan of a network in a mode, `plan<Net, infer>` or `plan<Net, train<joint<frozen>>>`: a constant.
template <class Net, class Mode, class Layout = dense_float>
inline constexpr auto plan = detail::freeze_plan<Net, Mode, Layout>();

/// Elements of all weights and biases.
template <class Net>
inline constexpr std::int64_t parameters = (static_cast<void>(fits<Net>), lower<Net>().parameters);

/// Elements of the weights and biases that a strategy trains.
template <class Net, class Mode>
inline constexpr std::int64_t trainable_parameters =
    trained_parameters(lower<Net>(), detail::plan_value<Net, Mode, dense_float>());

/// Multiply-accumulates of one sample: a whole prediction, `macs_per_sample<Net, infer>`, or a training step, `<Net, train<...>>`.
template <class Net, class Mode>
inline constexpr std::int64_t macs_per_sample = macs(lower<Net>(), detail::plan_value<Net, Mode, dense_float>());

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
    const graph g = lower<Net>();
    const execution_plan p = detail::plan_value<Net, Mode, Layout>();
    const arena_use use = use_of(p);
    const std::int64_t trained = trained_parameters(g, p), scalar = Layout::scalar_bytes, samples = n.value * scalar;
    return {(g.parameters + g.statistics) * scalar, trained * scalar,          trained * moments_per_parameter * scalar,
            use.activations * samples,              use.gradients * samples, use.arena * samples};
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
