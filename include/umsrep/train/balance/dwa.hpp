// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <umsrep/train/balance/detail/text.hpp>
#include <umsrep/train/balance/policy.hpp>

namespace umsrep::balance {

/// Dynamic weight average: a task whose loss falls slower weighs more. Weight K softmax(r / T), r_i = L_i(t - 1) / L_i(t - 2) of mean
/// losses over epochs, and 1 in the first two epochs. Liu, Johns, Davison, "End-to-end multi-task learning with attention", CVPR 2019,
/// equation 7. Learns in `trainer::fit`, which knows epochs. A task that had no loss in one of the two epochs counts with r = 1.
struct dwa {
    static constexpr std::string_view name = "dwa";

    double temperature = 2;
    std::vector<double> past{}; ///< mean losses of the last epoch, of the one before, and the weights

    std::string options() const { return detail::option("temperature", temperature); }
    void start(std::size_t tasks) {
        past.assign(3 * tasks, std::numeric_limits<double>::quiet_NaN());
        std::fill(past.end() - static_cast<std::ptrdiff_t>(tasks), past.end(), 1.0);
    }
    double weight(std::size_t task, double) const { return past[2 * (past.size() / 3) + task]; }
    void end_epoch(per_task losses) {
        const std::size_t tasks = losses.size();
        double sum = 0;
        for (std::size_t i = 0; i < tasks; ++i) {
            past[tasks + i] = past[i];
            past[i] = losses[i];
            const double r = past[i] / past[tasks + i]; // NaN in the first epoch
            sum += past[2 * tasks + i] = std::exp((std::isfinite(r) ? r : 1.0) / temperature);
        }
        for (std::size_t i = 0; i < tasks; ++i) past[2 * tasks + i] *= static_cast<double>(tasks) / sum;
    }
    std::span<double> state() { return past; }
};

} // namespace umsrep::balance
