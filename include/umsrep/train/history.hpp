// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace umsrep {

/// One epoch of training. Losses are means over the labelled samples, one per head in the network's order; NaN: the head had none.
struct epoch_record {
    int epoch = 0; ///< from 1
    double learning_rate = 0;
    std::vector<double> train_loss, valid_loss;
    double monitor = std::numeric_limits<double>::quiet_NaN(); ///< what early stopping looks at; lower is better
    bool best = false;
    double seconds = 0;
    std::int64_t skipped_steps = 0; ///< which moved nothing: their gradients were too large for fp16's loss scale
    double loss_scale = 1;          ///< at the end; 1 in all but fp16
};

struct history {
    std::vector<std::string> heads;
    std::vector<epoch_record> epochs;
};

} // namespace umsrep
