// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <string_view>

#include <umsrep/train/balance/detail/learnt.hpp>
#include <umsrep/train/balance/detail/text.hpp>
#include <umsrep/train/balance/policy.hpp>

namespace umsrep::balance {

/// GradNorm: weights are learnt so that tasks pull at the shared parameters with gradients of comparable length, longer ones for tasks that
/// learn slower. It lowers the sum over tasks of |G_i - mean(G) r_i^alpha|, G_i = |w_i grad L_i|, r_i the task's L_i / L_i(0) over the mean
/// of these. Chen, Badrinarayanan, Lee, Rabinovich, "GradNorm", ICML 2018, equations 1 and 2, algorithm 1. L_i(0) is the first loss of the
/// task. Gradients are those of all shared parameters, where the paper takes the last shared layer to save time. The sum of weights is kept
/// at their number as in the paper, and each at 1e-3 or more before that, which the paper leaves open.
struct gradnorm {
    static constexpr std::string_view name = "gradnorm";

    double alpha = 1.5;
    double lr = 0.025;
    detail::learnt w{};

    std::string options() const { return detail::option("alpha", alpha) + " " + detail::option("lr", lr); }
    void start(std::size_t tasks) {
        w.start(tasks, 1.0, 1);
        std::fill_n(w.further(0).begin(), tasks, std::numeric_limits<double>::quiet_NaN());
    }
    double weight(std::size_t task, double) const { return w[task]; }

    /// The gradients are weighted already: their sum is what the step follows.
    void combine(per_task losses, const inner_products& products, std::span<double> coefficients) {
        std::fill(coefficients.begin(), coefficients.end(), 1.0);
        const std::span<double> first = w.further(0);
        double count = 0, mean_length = 0, mean_ratio = 0;
        for (std::size_t i = 0; i < losses.size(); ++i) {
            if (std::isnan(losses[i])) continue;
            if (std::isnan(first[i])) first[i] = losses[i];
            ++count;
            mean_length += std::sqrt(products(i, i));
            mean_ratio += losses[i] / first[i];
        }
        mean_length /= count;
        mean_ratio /= count;
        const std::span<double> weights = w.values();
        for (std::size_t i = 0; i < losses.size(); ++i) {
            if (std::isnan(losses[i])) continue;
            const double length = std::sqrt(products(i, i));
            const double excess = length - mean_length * std::pow(losses[i] / first[i] / mean_ratio, alpha);
            const double sign = excess > 0 ? 1 : excess < 0 ? -1 : 0;
            w.update(i, sign * length / weights[i], {.lr = lr});
            weights[i] = std::max(weights[i], 1e-3);
        }
        const double scale = static_cast<double>(weights.size()) / std::accumulate(weights.begin(), weights.end(), 0.0);
        for (double& weight : weights) weight *= scale;
    }
    std::span<double> state() { return w.state(); }
};

} // namespace umsrep::balance
