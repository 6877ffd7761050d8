// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace umsrep {

/// How the batch-norms of the encoder behave in training. Those of the heads always use and update batch statistics.
enum class norm_statistics : std::uint8_t {
    trained,  ///< batch statistics in the stages that train, running ones in those that do not
    frozen,   ///< running statistics everywhere in the encoder, never moved
    adaptive, ///< batch statistics everywhere in the encoder, also in stages that do not train
    per_task, ///< the same, and each task moves and predicts by running statistics of its own: model::part_statistics
};

/// Which part of a network a plan computes. What frozen stages give for an image never changes, so it may be computed once and kept.
enum class portion : std::uint8_t {
    whole,
    frozen_stages, ///< the stages that do not train, as far as others read them; no heads
    rest,          ///< everything else; what it reads of the frozen stages is given from outside, as the image is
};

/// What a plan is for: a value, so that the passes are plain functions. `infer`, and `train<Strategy>` of network/strategy.hpp, give it.
struct mode {
    bool training = false;
    std::uint64_t heads = ~std::uint64_t{0}; ///< bit h: head h takes part
    int first_trained_stage = 0;             ///< stages before it are frozen; the number of stages: all frozen
    norm_statistics norms = norm_statistics::trained;
    bool logits = false;                     ///< stop at the logits; a training plan always does
    portion computes = portion::whole;
    bool checkpoint = false;                 ///< training computes inner values of stages and heads twice rather than keep them

    constexpr bool has_head(int h) const { return ((heads >> h) & 1U) != 0; }
};

/// Mode of a plan: forward only, running statistics, without output activations: what a loss is evaluated on.
struct validate {
    static constexpr mode value(int /*stages*/) {
        mode m{};
        m.logits = true;
        return m;
    }
};

/// Mode of a plan: forward only, running statistics, output activations included.
struct infer {
    static constexpr mode value(int /*stages*/) { return {}; }
};

} // namespace umsrep
