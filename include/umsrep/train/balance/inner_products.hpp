// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace umsrep::balance {

/// The inner products of the tasks' gradients of the parameters that they share, stage by stage and in all: all that a policy needs to know
/// of these gradients, for whatever it makes of them is a linear combination. NaN: one of the two tasks took no part in the step.
class inner_products {
public:
    inner_products(std::size_t stages, std::size_t tasks)
        : stages_{stages}, tasks_{tasks}, values_((stages + 1) * tasks * tasks, std::numeric_limits<double>::quiet_NaN()) {}

    std::size_t stages() const { return stages_; }
    std::size_t tasks() const { return tasks_; }

    /// <g_i, g_j> over all stages.
    double operator()(std::size_t i, std::size_t j) const { return of_stage(stages_, i, j); }
    /// The same over one stage of the encoder. 0 for a stage that does not train or that one of the tasks does not read.
    double of_stage(std::size_t stage, std::size_t i, std::size_t j) const { return values_[place(stage, i, j)]; }

    /// The cosine of the angle between two tasks' gradients; NaN where one of them is 0.
    double cosine(std::size_t i, std::size_t j) const { return cosine_of_stage(stages_, i, j); }
    double cosine_of_stage(std::size_t stage, std::size_t i, std::size_t j) const {
        return of_stage(stage, i, j) / std::sqrt(of_stage(stage, i, i) * of_stage(stage, j, j));
    }

    /// Takes one of stage `stage`, or the sum over all of them when it is `stages()`, for (i, j) and (j, i).
    void set(std::size_t stage, std::size_t i, std::size_t j, double value) {
        values_[place(stage, i, j)] = values_[place(stage, j, i)] = value;
    }

private:
    std::size_t place(std::size_t stage, std::size_t i, std::size_t j) const { return (stage * tasks_ + i) * tasks_ + j; }

    std::size_t stages_, tasks_;
    std::vector<double> values_;
};

} // namespace umsrep::balance
