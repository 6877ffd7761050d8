// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <umsrep/network/strategy.hpp>

namespace experiment {

/// Where the encoder of an arm comes from.
enum class origin { scratch, own_modality, other_modality };

/// What of the encoder trains, and when.
enum class tuning {
    frozen,
    last1,   ///< the deepest stage
    all,
    lpft,    ///< the heads alone, then everything
    gradual, ///< the heads alone, then stage by stage from the deepest
};

/// One way to train the tasks of a family.
struct arm {
    std::string name;
    umsrep::scheme tasks = umsrep::scheme::joint;
    tuning encoder = tuning::all;
    origin start = origin::own_modality;
    std::string balance{}; ///< policy of joint steps; empty: losses are summed up
    bool cached = false;   ///< the frozen encoder sees each image once, so images are not augmented
};

/// Every arm, in the order in which they run.
const std::vector<arm>& all_arms();

/// Arms by name, or by group: paper, controls, frozen, tuning, balancing, all. In the order of `all_arms`, each once.
/// Throws option_error naming what is neither.
std::vector<arm> arms_of(const std::vector<std::string>& names);

} // namespace experiment
