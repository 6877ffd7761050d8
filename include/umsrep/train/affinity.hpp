// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/train/balance/inner_products.hpp>

namespace umsrep {

/// How tasks bear on each other while they train together, gathered over steps: `trainer::measure`.
class task_affinity {
public:
    task_affinity(std::vector<std::string> tasks, std::vector<std::string> stages)
        : tasks_{std::move(tasks)}, stages_{std::move(stages)}, cosines_((stages_.size() + 1) * tasks_.size() * tasks_.size()),
          conflicts_(tasks_.size() * tasks_.size()), gains_(tasks_.size() * tasks_.size()), lengths_(tasks_.size()) {}

    const std::vector<std::string>& tasks() const { return tasks_; }
    const std::vector<std::string>& stages() const { return stages_; }
    std::int64_t steps() const { return steps_; }

    /// Takes the gradients of one step. Throws shape_mismatch when they are of another number of tasks or stages.
    void add(const balance::inner_products& products) {
        if (products.tasks() != tasks_.size() || products.stages() != stages_.size())
            throw shape_mismatch("task affinity", std::to_string(tasks_.size()) + " tasks and " + std::to_string(stages_.size()) + " stages",
                                 std::to_string(products.tasks()) + " and " + std::to_string(products.stages()));
        ++steps_;
        for (std::size_t i = 0; i < tasks_.size(); ++i) {
            if (products(i, i) > 0) lengths_[i].add(std::sqrt(products(i, i)));
            for (std::size_t j = 0; j < tasks_.size(); ++j) {
                for (std::size_t s = 0; s <= stages_.size(); ++s) cosines_[place(s, i, j)].add(products.cosine_of_stage(s, i, j));
                const double whole = products.cosine(i, j);
                conflicts_[pair(i, j)].add(std::isnan(whole) ? whole : whole < 0 ? 1.0 : 0.0);
            }
        }
    }
    /// Takes what a step along task i's gradient did to the loss of task j: 1 - after / before.
    void add_gain(std::size_t i, std::size_t j, double gain) { gains_[pair(i, j)].add(gain); }

    // Means over the steps; NaN where there was none.

    /// The cosine between the gradients of two tasks of what they share.
    double cosine(std::size_t i, std::size_t j) const { return cosines_[place(stages_.size(), i, j)].mean(); }
    double cosine_of_stage(std::size_t stage, std::size_t i, std::size_t j) const { return cosines_[place(stage, i, j)].mean(); }
    /// In how many of the steps, as a fraction, the two gradients pointed against each other.
    double conflict(std::size_t i, std::size_t j) const { return conflicts_[pair(i, j)].mean(); }
    /// The transfer gain from task i to task j: by what fraction a step on task i alone lowers the loss of task j. Fifty, Amid, Zhao, Yu, Anil,
    /// Finn, "Efficiently identifying task groupings for multi-task learning", NeurIPS 2021, equation 1.
    double gain(std::size_t i, std::size_t j) const { return gains_[pair(i, j)].mean(); }
    /// The length of a task's gradient.
    double length(std::size_t i) const { return lengths_[i].mean(); }

private:
    struct mean_of {
        double sum = 0, count = 0;
        void add(double value) {
            if (std::isnan(value)) return;
            sum += value;
            ++count;
        }
        double mean() const { return count > 0 ? sum / count : std::numeric_limits<double>::quiet_NaN(); }
    };

    std::size_t pair(std::size_t i, std::size_t j) const { return i * tasks_.size() + j; }
    std::size_t place(std::size_t s, std::size_t i, std::size_t j) const { return s * tasks_.size() * tasks_.size() + pair(i, j); }

    std::vector<std::string> tasks_, stages_;
    std::int64_t steps_ = 0;
    std::vector<mean_of> cosines_, conflicts_, gains_, lengths_;
};

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
/// gain below 0 where gains were measured): encoders apart if that holds for every pair, gradient surgery otherwise; gradients of very unequal
/// length: a policy that balances them; else the plain joint strategy.
inline strategy_advice advise(const task_affinity& a, const advice_thresholds& limits = {}) {
    const std::size_t tasks = a.tasks().size();
    const auto text = [](const char* format, double value) {
        char buffer[64];
        std::snprintf(buffer, sizeof buffer, format, value);
        return std::string(buffer);
    };
    const auto name = [&](std::size_t i) { return "'" + a.tasks()[i] + "'"; };
    if (a.steps() < limits.steps)
        return {"", "only " + std::to_string(a.steps()) + " steps were measured; below " + std::to_string(limits.steps) + " they say nothing"};

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
    if (pairs == 0) return {"", "no two tasks have a gradient in the same step: their labels never meet, or they share nothing that trains"};

    const std::string most = "the most opposed pair is " + name(worst_i) + " and " + name(worst_j) + ", cosine " + text("%.2f", worst) +
                             " on average, against each other in " + text("%.0f", 100 * a.conflict(worst_i, worst_j)) + " % of the steps";
    if (conflicts == pairs)
        return {"independent<all>", "every pair of tasks pulls the encoder apart: " + most + "; one encoder for each may be worth its cost"};
    if (conflicts > 0)
        return {"joint<all> with balance::pcgrad or balance::cagrad",
                std::to_string(conflicts) + " of " + std::to_string(pairs) + " pairs of tasks conflict: " + most};
    const double ratio = a.length(long_task) / a.length(short_task);
    if (ratio > limits.unequal)
        return {"joint<all> with balance::imtl or balance::gradnorm",
                "tasks do not conflict, but the gradient of " + name(long_task) + " is " + text("%.0f", ratio) + " times as long as that of " +
                    name(short_task) + " and drowns it"};
    if (best > limits.cosine)
        return {"joint<all>", "tasks agree or ignore each other, none conflicts: the highest mean cosine is " + text("%.2f", best) + "; " + most};
    return {"joint<all>", "tasks neither help nor hinder each other, so one encoder costs nothing in accuracy that can be seen here; " + most};
}

} // namespace umsrep
