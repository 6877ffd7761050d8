// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include <umsrep/core/error.hpp>

namespace umsrep {

/// Where in its run a training step stands: all that it needs to know besides its batch.
struct step_place {
    std::uint64_t number = 0;         ///< steps before it
    double rate_factor = 1;           ///< of the schedule, times the optimiser's learning rate
    std::int64_t average_updates = 0; ///< of the weights' average, before it
};

/// What scaling its losses made of a step; in all but fp16 they are not scaled.
struct loss_scaling {
    bool skipped = false;  ///< the gradient was too large: the step moved nothing
    double loss_scale = 1; ///< of the next step
};

/// A step whose gradient is infinite or NaN, which moved nothing. `number`: steps before it; `batch`: its first sample.
[[noreturn]] inline void throw_not_finite(std::uint64_t number, const std::string& batch) {
    throw error("training step " + std::to_string(number + 1) + ", batch of '" + batch + "'", "a finite gradient",
                "one that is not; lower the learning rate or clip the gradient");
}

} // namespace umsrep
