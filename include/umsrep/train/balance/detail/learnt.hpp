// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <umsrep/optim/adam.hpp>

namespace umsrep::balance::detail {

/// One number per task, learnt by Adam. Each counts its own updates, so a task that takes no part in a step stays as it is.
class learnt {
public:
    /// `further`: rows of one number per task each, which a policy keeps beside them.
    void start(std::size_t tasks, double initial, std::size_t further = 0) {
        tasks_ = tasks;
        all_.assign((4 + further) * tasks, 0.0);
        std::fill_n(all_.begin(), tasks, initial);
    }

    double operator[](std::size_t task) const { return all_[task]; }
    std::span<double> values() { return row(0); }
    std::span<double> further(std::size_t i) { return row(4 + i); }

    void update(std::size_t task, double gradient, const optim::adam& how) {
        const auto one = [&](std::size_t i) { return row(i).subspan(task, 1); };
        double& updates = one(3).front();
        ++updates;
        how.update(one(0), std::span<const double>(&gradient, 1), std::array{one(1), one(2)}, static_cast<std::int64_t>(updates), how.lr,
                   how.weight_decay);
    }

    /// Values, moments, counts and what else is kept.
    std::span<double> state() { return all_; }

private:
    std::span<double> row(std::size_t i) { return state().subspan(i * tasks_, tasks_); }

    std::size_t tasks_ = 0;
    std::vector<double> all_;
};

} // namespace umsrep::balance::detail
