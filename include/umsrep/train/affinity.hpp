// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
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
            throw shape_mismatch("task affinity",
                                 std::to_string(tasks_.size()) + " tasks and " + std::to_string(stages_.size()) + " stages",
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
    /// The transfer gain from task i to task j: by what fraction a step on task i alone lowers the loss of task j. Fifty, Amid, Zhao, Yu,
    /// Anil, Finn, "Efficiently identifying task groupings for multi-task learning", NeurIPS 2021, equation 1.
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

} // namespace umsrep
