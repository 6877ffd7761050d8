// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

#include <umsrep/graph/mode.hpp>

namespace umsrep {

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

/// Mode of a plan: one training step of all heads under a strategy; of one head in the schemes where tasks step alone, name it.
template <class Strategy>
struct train {
    static constexpr mode value(int stages) { return Strategy::value(stages); }
};

} // namespace umsrep
