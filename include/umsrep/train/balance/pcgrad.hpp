// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <umsrep/core/random.hpp>
#include <umsrep/train/balance/policy.hpp>

namespace umsrep::balance {

/// Gradient surgery: from each task's gradient, what points against another task's is taken away, the others in random order; then all are
/// added up. Yu, Kumar, Gupta, Levine, Hausman, Finn, "Gradient surgery for multi-task learning", NeurIPS 2020, algorithm 1. Projections
/// are computed from inner products: a projected gradient is kept as its coefficients of the original ones.
struct pcgrad {
    static constexpr std::string_view name = "pcgrad";

    seed random{0};                ///< of the orders
    std::vector<double> steps{};   ///< how many were taken
    std::vector<double> projected{};
    std::vector<std::size_t> order{};

    std::string options() const { return "seed=" + std::to_string(random.value); }
    void start(std::size_t tasks) {
        steps.assign(1, 0.0);
        projected.assign(tasks, 0.0);
        order.reserve(tasks);
    }
    void combine(per_task losses, const inner_products& products, std::span<double> coefficients) {
        random_stream stream(random, name, static_cast<std::uint64_t>(steps[0]++));
        std::fill(coefficients.begin(), coefficients.end(), 0.0);
        order.clear();
        for (std::size_t i = 0; i < losses.size(); ++i)
            if (!std::isnan(losses[i])) order.push_back(i);
        for (std::size_t i = 0; i < losses.size(); ++i) {
            if (std::isnan(losses[i])) continue;
            std::fill(projected.begin(), projected.end(), 0.0);
            projected[i] = 1;
            shuffle(order, stream);
            for (const std::size_t j : order) {
                double along = 0; // <projected, g_j>
                for (const std::size_t k : order) along += projected[k] * products(k, j);
                if (j != i && along < 0) projected[j] -= along / products(j, j);
            }
            for (std::size_t k = 0; k < losses.size(); ++k) coefficients[k] += projected[k];
        }
    }
    std::span<double> state() { return steps; }
};

} // namespace umsrep::balance
