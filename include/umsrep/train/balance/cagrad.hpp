// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <umsrep/train/balance/detail/text.hpp>
#include <umsrep/train/balance/policy.hpp>

namespace umsrep::balance {

/// Conflict-averse gradient: within a ball of radius c |g_0| around the mean gradient g_0, the direction that serves the worst served task
/// best. d = g_0 + c |g_0| g_w / |g_w|, g_w = sum of w_i g_i with w on the simplex that minimises <g_w, g_0> + c |g_0| |g_w|. Liu, Liu,
/// Jin, Stone, Liu, "Conflict-averse gradient descent for multi-task learning", NeurIPS 2021, algorithm 1 and its equation of the dual. As
/// the authors' code, it is divided by 1 + c^2 and multiplied by the number of tasks, to be of the length of a sum; c = 0 is the plain sum.
struct cagrad {
    static constexpr std::string_view name = "cagrad";

    double c = 0.5;
    std::vector<std::size_t> tasks_in_step{}; ///< scratch, as what follows
    std::vector<double> w{}, along{}, mean_along{};

    std::string options() const { return detail::option("c", c); }
    void start(std::size_t tasks) {
        tasks_in_step.reserve(tasks);
        for (auto* scratch : {&w, &along, &mean_along}) scratch->assign(tasks, 0.0);
    }
    void combine(per_task losses, const inner_products& products, std::span<double> coefficients) {
        tasks_in_step.clear();
        for (std::size_t i = 0; i < losses.size(); ++i)
            if (!std::isnan(losses[i])) tasks_in_step.push_back(i);
        const double count = static_cast<double>(tasks_in_step.size());
        double mean_square = 0; // |g_0|^2
        for (const std::size_t i : tasks_in_step) {
            mean_along[i] = 0; // <g_i, g_0>
            for (const std::size_t j : tasks_in_step) mean_along[i] += products(i, j) / count;
            mean_square += mean_along[i] / count;
        }
        const double radius = c * std::sqrt(std::max(mean_square, 0.0));
        const double length = minimize(products, radius);
        for (const std::size_t i : tasks_in_step)
            coefficients[i] = (1 + (length > 0 ? count * radius / length * w[i] : 0)) / (1 + c * c);
    }

private:
    /// Sets w to the minimiser of f(w) = <g_w, g_0> + radius |g_w| and returns |g_w|. Mass moves between the two tasks where it gains most,
    /// as far as is best, until there is nothing to gain: sequential minimal optimisation (Platt, 1998) of a convex function on the
    /// simplex.
    double minimize(const inner_products& products, double radius) {
        double scale = 0;
        for (const std::size_t i : tasks_in_step) {
            w[i] = 1 / static_cast<double>(tasks_in_step.size());
            scale = std::max(scale, products(i, i));
        }
        for (int round = 0; round < 1000; ++round) {
            const double square = length_square(products);
            const auto slope = [&](std::size_t i) { return mean_along[i] + (square > 0 ? radius * along[i] / std::sqrt(square) : 0); };
            std::size_t from = tasks_in_step.front(), to = from;
            bool found = false;
            for (const std::size_t i : tasks_in_step) {
                if (slope(i) < slope(to)) to = i;
                if (w[i] > 0 && (!found || slope(i) > slope(from))) from = i, found = true;
            }
            if (!(slope(from) - slope(to) > 1e-12 * scale)) break; // NaN, too
            const double level = mean_along[to] - mean_along[from], turn = along[to] - along[from];
            const double bend = products(to, to) + products(from, from) - 2 * products(from, to);
            // The derivative along the move grows with its length: bisection.
            double low = 0, high = w[from];
            const auto falls = [&](double t) {
                const double there = square + 2 * t * turn + t * t * bend;
                return level + (there > 0 ? radius * (turn + t * bend) / std::sqrt(there) : 0) < 0;
            };
            if (falls(high)) low = high;
            else
                for (int halving = 0; halving < 60; ++halving) (falls((low + high) / 2) ? low : high) = (low + high) / 2;
            w[to] += low;
            w[from] = low == w[from] ? 0 : w[from] - low;
        }
        return std::sqrt(std::max(length_square(products), 0.0));
    }

    /// |g_w|^2, with <g_i, g_w> in `along`.
    double length_square(const inner_products& products) {
        double sum = 0;
        for (const std::size_t i : tasks_in_step) {
            along[i] = 0;
            for (const std::size_t j : tasks_in_step) along[i] += products(i, j) * w[j];
            sum += w[i] * along[i];
        }
        return sum;
    }
};

} // namespace umsrep::balance
