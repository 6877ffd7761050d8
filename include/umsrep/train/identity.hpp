// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <string>

#include <umsrep/core/hash_name.hpp>
#include <umsrep/graph/graph.hpp>
#include <umsrep/graph/mode.hpp>
#include <umsrep/network/strategy.hpp>
#include <umsrep/optim/optimizer.hpp>
#include <umsrep/train/options.hpp>

namespace umsrep {

/// What must agree between a checkpoint and the trainer that restores it, as names and values, to be compared as text.
using training_identity = std::map<std::string, std::string>;

namespace detail {

/// A number that changes with the layers of a network, their connections and their sizes.
inline std::uint64_t fingerprint(const graph& g) {
    std::uint64_t layers = hash_name("");
    for (const node& n : g.nodes) {
        const std::string line = std::to_string(static_cast<int>(n.kind)) + g.path(n) + ':' + std::to_string(n.inputs[0]) + ',' +
                                 std::to_string(n.inputs[1]) + ':' + std::to_string(n.out.c) + 'x' + std::to_string(n.out.h) + 'x' +
                                 std::to_string(n.out.w) + ':' + std::to_string(n.weight.size);
        layers = layers * 31 + hash_name(line);
    }
    return layers;
}

} // namespace detail

/// The network layer by layer, the strategy, the numbers of the optimiser and the options that change what a step computes. `heads`: bit h
/// set, head h is trained.
template <optim::optimizer Optimizer>
training_identity identity_of(const graph& g, scheme tasks, const mode& what, std::uint64_t heads, const Optimizer& optimizer,
                              const train_options& options) {
    const auto real = [](double v) {
        char text[32];
        std::snprintf(text, sizeof text, "%.17g", v);
        return std::string(text);
    };
    std::string weights;
    for (const double w : options.head_weights) weights += (weights.empty() ? "" : " ") + real(w);
    return {{"network", std::to_string(detail::fingerprint(g))},
            {"tasks", std::string(to_string(tasks))},
            {"first trained stage", std::to_string(what.first_trained_stage)},
            {"norm statistics", std::to_string(static_cast<int>(what.norms))},
            {"heads", std::to_string(heads)},
            {"moments", std::to_string(Optimizer::moments)},
            {"learning rate", real(optimizer.lr)},
            {"weight decay", real(optimizer.weight_decay)},
            {"schedule", std::to_string(options.schedule.index())},
            {"dropout seed", std::to_string(options.random.value)},
            {"head weights", weights},
            {"balance", options.balance.text()},
            {"loss average", real(options.loss_average)},
            {"clip norm", real(options.clip_norm)},
            {"layer decay", real(options.layer_decay)},
            {"L2-SP", options.l2_sp ? real(options.l2_sp->strength) : "none"},
            {"average", options.average ? real(options.average->decay) : "none"}};
}

} // namespace umsrep
