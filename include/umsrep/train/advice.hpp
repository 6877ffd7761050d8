// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>

#include <umsrep/train/affinity.hpp>

namespace umsrep {

/// Which strategy an affinity suggests, and why, in plain words.
struct strategy_advice {
    std::string strategy; ///< as it is written in code
    std::string reason;
};

/// The thresholds of `advise`, rules of thumb of ours and of no paper: they are where the sign of a mean over some dozen steps is more than
/// noise, and no more. Validation decides.
struct advice_thresholds {
    std::int64_t steps = 20;   ///< fewer say nothing
    double cosine = 0.05;      ///< nearer to 0 on average counts as neither help nor conflict
    double unequal = 10;       ///< gradients this many times as long as another task's drown it
};

/// Reads an affinity. In this order: too few steps, no advice; some pair conflicts on average and hurts (cosine below the threshold, and a
/// gain below 0 where gains were measured): encoders apart if that holds for every pair, gradient surgery otherwise; gradients of very
/// unequal length: a policy that balances them; else the plain joint strategy.
inline strategy_advice advise(const task_affinity& a, const advice_thresholds& limits = {}) {
    const std::size_t tasks = a.tasks().size();
    const auto text = [](const char* format, double value) {
        char buffer[64];
        std::snprintf(buffer, sizeof buffer, format, value);
        return std::string(buffer);
    };
    const auto name = [&](std::size_t i) { return "'" + a.tasks()[i] + "'"; };
    if (a.steps() < limits.steps)
        return {"",
                "only " + std::to_string(a.steps()) + " steps were measured; below " + std::to_string(limits.steps) + " they say nothing"};

    std::size_t pairs = 0, conflicts = 0, worst_i = 0, worst_j = 0, long_task = 0, short_task = 0;
    double worst = std::numeric_limits<double>::infinity(), best = -worst;
    for (std::size_t i = 0; i < tasks; ++i) {
        if (a.length(i) > a.length(long_task) || std::isnan(a.length(long_task))) long_task = i;
        if (a.length(i) < a.length(short_task) || std::isnan(a.length(short_task))) short_task = i;
        for (std::size_t j = i + 1; j < tasks; ++j) {
            const double c = a.cosine(i, j);
            if (std::isnan(c)) continue;
            ++pairs;
            const double gain = std::min(a.gain(i, j), a.gain(j, i));
            if (c < -limits.cosine && !(gain >= 0)) ++conflicts;
            best = std::max(best, c);
            if (c < worst) worst = c, worst_i = i, worst_j = j;
        }
    }
    if (pairs == 0)
        return {"", "no two tasks have a gradient in the same step: their labels never meet, or they share nothing that trains"};

    const std::string most = "the most opposed pair is " + name(worst_i) + " and " + name(worst_j) + ", cosine " + text("%.2f", worst) +
                             " on average, against each other in " + text("%.0f", 100 * a.conflict(worst_i, worst_j)) + " % of the steps";
    if (conflicts == pairs)
        return {"independent<all>",
                "every pair of tasks pulls the encoder apart: " + most + "; one encoder for each may be worth its cost"};
    if (conflicts > 0)
        return {"joint<all> with balance::pcgrad or balance::cagrad",
                std::to_string(conflicts) + " of " + std::to_string(pairs) + " pairs of tasks conflict: " + most};
    const double ratio = a.length(long_task) / a.length(short_task);
    if (ratio > limits.unequal)
        return {"joint<all> with balance::imtl or balance::gradnorm", "tasks do not conflict, but the gradient of " + name(long_task) +
                                                                          " is " + text("%.0f", ratio) + " times as long as that of " +
                                                                          name(short_task) + " and drowns it"};
    if (best > limits.cosine)
        return {"joint<all>",
                "tasks agree or ignore each other, none conflicts: the highest mean cosine is " + text("%.2f", best) + "; " + most};
    return {"joint<all>",
            "tasks neither help nor hinder each other, so one encoder costs nothing in accuracy that can be seen here; " + most};
}

} // namespace umsrep
