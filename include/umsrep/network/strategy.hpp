// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

#include <umsrep/graph/mode.hpp>
#include <umsrep/network/check.hpp>

namespace umsrep {

template <class... Names> struct unknown_head;

namespace detail {

/// Number of the head of that name; a compile error that quotes the name when there is none.
template <class Net, fixed_string Name>
consteval int index_of_head() {
    constexpr int h = network_traits<Net>::find_head(Name);
    if constexpr (h < 0) static_assert(holds<unknown_head<called<Name>>>);
    return h;
}

} // namespace detail

// What of the encoder trains.

/// Every stage.
struct all {
    static constexpr int first_trained(int /*stages*/) { return 0; }
};
/// Nothing: no backward pass, no saved activations and no optimiser state of the encoder exist.
struct frozen {
    static constexpr int first_trained(int stages) { return stages; }
};
/// The last K stages (the deepest ones).
template <int K>
struct last {
    static_assert(K > 0, "umsrep: last<K> needs K of at least 1; use `frozen` to train no stage");
    static constexpr int first_trained(int stages) { return stages - K; }
};

/// Which tasks step together. Zamzmi, Rajaraman, Antani, "UMS-Rep", 2021; docs/design/training.md says how we read the names.
enum class scheme : std::uint8_t {
    separate,    ///< every task its own network, from scratch
    independent, ///< every task its own copy of the given encoder (the same one where it is frozen)
    alternating, ///< one encoder; tasks take turns, batch by batch
    joint,       ///< one encoder; every step follows the sum of all losses
};

constexpr std::string_view to_string(scheme s) {
    switch (s) {
    case scheme::separate: return "separate";
    case scheme::independent: return "independent";
    case scheme::alternating: return "alternating";
    case scheme::joint: return "joint";
    }
    return "";
}

/// A fine-tuning strategy as a type: who steps together, what of the encoder trains, and what its norm statistics do.
template <scheme Scheme, class Trains, norm_statistics Norms>
struct strategy {
    static constexpr bool one_task_a_step = Scheme == scheme::alternating || Scheme == scheme::independent;
    static constexpr bool fits_its_norms = Norms != norm_statistics::per_task || one_task_a_step;
    static_assert(fits_its_norms, "umsrep: per-task norm statistics need steps of one task: `alternating` or `independent`");
    static constexpr scheme tasks = Scheme;
    using trains = Trains;

    /// The mode of a step that trains the heads of the bit mask.
    static constexpr mode value(int stages, std::uint64_t heads = ~std::uint64_t{0}) {
        return {true, heads, Trains::first_trained(stages), Norms};
    }
};

template <class Trains = all, norm_statistics Norms = norm_statistics::trained>
using joint = strategy<scheme::joint, Trains, Norms>;
template <class Trains = all, norm_statistics Norms = norm_statistics::trained>
using alternating = strategy<scheme::alternating, Trains, Norms>;
template <class Trains = all, norm_statistics Norms = norm_statistics::trained>
using independent = strategy<scheme::independent, Trains, Norms>;
/// Trains from scratch, therefore always the whole encoder.
using separate = strategy<scheme::separate, all, norm_statistics::trained>;

/// A strategy with gradient checkpointing: between forward and backward, of every stage of the encoder and every outermost layer of a head
/// only what others read is kept; the rest is computed a second time. The same bits, less memory, more time: `training_memory` and
/// `training_macs` say how much.
template <class Strategy>
struct checkpointed : Strategy {
    static constexpr mode value(int stages, std::uint64_t heads = ~std::uint64_t{0}) {
        mode m = Strategy::value(stages, heads);
        m.checkpoint = true;
        return m;
    }
};

/// A strategy whose frozen stages see every image once: what the rest reads of them is kept for each sample and given to later steps. The
/// same bits, no encoder in the steps: `training_macs` says what remains. Images must be the same each time, so without random
/// augmentation; a run notices others and stops. Memory: `train_options::feature_bytes`.
template <class Strategy>
struct cached : Strategy {
    static constexpr mode of_a_large_network = Strategy::value(64);
    static constexpr bool freezes = of_a_large_network.first_trained_stage > 0;
    static constexpr bool keeps_norms =
        of_a_large_network.norms == norm_statistics::trained || of_a_large_network.norms == norm_statistics::frozen;
    static_assert(freezes, "umsrep: cached<...>: no stage is frozen");
    static_assert(keeps_norms, "umsrep: cached<...>: norm statistics that move change the features");
    static constexpr mode value(int stages, std::uint64_t heads = ~std::uint64_t{0}) {
        mode m = Strategy::value(stages, heads);
        m.computes = portion::rest;
        return m;
    }
};

/// Mode of a plan: one training step under a strategy, of all heads, or of those named: `train<alternating<all>, "lungs">`.
template <class Strategy, fixed_string... Heads>
struct train {
    static constexpr mode value(int stages) { return Strategy::value(stages); }

    /// Bit mask of the heads of a network. A name that is no head's does not compile.
    template <class Net>
    static consteval std::uint64_t heads_of() {
        if constexpr (sizeof...(Heads) == 0) return ~std::uint64_t{0};
        else return ((std::uint64_t{1} << detail::index_of_head<Net, Heads>()) | ...);
    }
};

} // namespace umsrep
