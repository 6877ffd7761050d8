// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/train/balance/policy.hpp>

namespace umsrep::balance {

/// A policy at work in a trainer, and before it, where wanted, the division of each loss by its moving average: m = d m + (1 - d) L of the
/// losses so far, this one included, the first copied. The policy then sees losses of about 1, and gradients are divided likewise.
class balancer {
public:
    /// `decay` of the moving average; 0: losses are not divided. `heads`: the tasks' names.
    balancer(any_policy policy, double decay, std::vector<std::string> heads)
        : policy_{std::move(policy)}, decay_{decay}, heads_{std::move(heads)} {
        const std::size_t tasks = heads_.size();
        if (!(decay >= 0 && decay < 1)) throw option_error("loss average", "a decay in [0, 1)", std::to_string(decay));
        policy_.start(tasks);
        averages_.assign(tasks, nan());
        losses_.assign(tasks, nan());
        before_.assign(tasks, nan());
        coefficients_.assign(tasks, 1.0);
        present_.assign(tasks, 0);
    }

    /// Whether there is anything to do.
    bool active() const { return policy_ || decay_ > 0; }
    bool combines() const { return policy_.combines(); }
    bool observes() const { return policy_.observes(); }

    /// A step begins. `takes_part(task)`: the task is trained and has a label in the batch.
    template <class TakesPart>
    void begin(TakesPart takes_part) {
        for (std::size_t i = 0; i < present_.size(); ++i) present_[i] = takes_part(i) ? 1 : 0;
        std::fill(losses_.begin(), losses_.end(), nan());
        policy_.begin(present_);
    }
    std::span<const char> present() const { return present_; }

    /// The weight of a task's gradient, once its loss is known.
    double weight(std::size_t task, double loss) {
        double& average = averages_[task];
        finite("a finite loss", task, loss);
        if (decay_ > 0) average = std::isnan(average) ? loss : decay_ * average + (1 - decay_) * loss;
        losses_[task] = scaled(task, loss);
        return policy_.weight(task, losses_[task]) * scaled(task, 1);
    }
    /// A factor for all gradients, once all losses are known.
    double common() { return policy_.common(losses_); }
    /// The coefficient of each task's gradient in what the shared parameters follow; 0 for those that take no part.
    std::span<const double> combine(const inner_products& products) {
        for (std::size_t i = 0; i < present_.size(); ++i)
            if (present_[i] != 0) finite("a finite gradient", i, products(i, i)); // a policy could leave out what is not a number
        policy_.combine(losses_, products, coefficients_);
        for (std::size_t i = 0; i < present_.size(); ++i)
            if (present_[i] == 0) coefficients_[i] = 0;
        return coefficients_;
    }

    /// The step is done.
    void learn() { policy_.learn(losses_); }
    /// ... and these are the losses of the same batch behind it.
    void observe(per_task after) {
        std::copy(losses_.begin(), losses_.end(), before_.begin());
        for (std::size_t i = 0; i < after.size(); ++i)
            if (present_[i] != 0) losses_[i] = scaled(i, finite("a finite loss", i, after[i]));
        policy_.observe(before_, losses_);
    }
    void end_epoch(per_task losses) { policy_.end_epoch(losses); }

    /// Shows the state to an archive, as `trainer::archive` does.
    template <class Archive>
    void archive(Archive& a) {
        if (policy_) a.values("balance", policy_.state());
        if (decay_ > 0) a.values("balance.averages", std::span<double>(averages_));
    }

private:
    static constexpr double nan() { return std::numeric_limits<double>::quiet_NaN(); }
    double finite(const char* what, std::size_t task, double value) const {
        if (std::isfinite(value)) return value;
        throw error("head '" + heads_[task] + "'", what, std::to_string(value));
    }
    double scaled(std::size_t task, double loss) const { return decay_ > 0 && averages_[task] > 0 ? loss / averages_[task] : loss; }

    any_policy policy_;
    double decay_;
    std::vector<std::string> heads_;
    std::vector<double> averages_, losses_, before_, coefficients_;
    std::vector<char> present_;
};

} // namespace umsrep::balance
