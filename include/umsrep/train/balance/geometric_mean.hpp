// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>

#include <umsrep/core/error.hpp>
#include <umsrep/train/balance/policy.hpp>

namespace umsrep::balance {

/// K times the geometric mean of the losses, K tasks in the step: the gradient of task i is weighted by that mean over L_i, so a loss
/// counts by how much of itself it changes, whatever its scale. Chennupati, Sistu, Yogamani, Rawashdeh, "MultiNet++", CVPR workshops 2019,
/// equation 2 (there without the factor K). Losses count as 1e-8 at least; a negative one throws `error`.
struct geometric_mean {
    static constexpr std::string_view name = "geometric mean";

    double weight(std::size_t task, double loss) const {
        if (loss < 0) throw error("geometric mean of losses: task " + std::to_string(task), "a loss of at least 0", std::to_string(loss));
        return 1 / at_least(loss);
    }
    double common(per_task losses) const {
        double sum = 0, count = 0;
        for (const double loss : losses)
            if (!std::isnan(loss)) {
                sum += std::log(at_least(loss));
                ++count;
            }
        return std::exp(sum / count);
    }

private:
    static double at_least(double loss) { return std::max(loss, 1e-8); }
};

} // namespace umsrep::balance
