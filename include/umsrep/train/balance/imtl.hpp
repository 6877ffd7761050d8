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

#include <umsrep/train/balance/detail/learnt.hpp>
#include <umsrep/train/balance/detail/solve.hpp>
#include <umsrep/train/balance/detail/text.hpp>
#include <umsrep/train/balance/policy.hpp>

namespace umsrep::balance {

// Impartial multi-task learning: Liu, Li, Kuang, Xue, Chen, Yang, Liao, Zhang, "Towards impartial multi-task learning", ICLR 2021.

/// IMTL-L, balance of losses: the sum of e^s_i L_i - s_i, s learnt along with the network, from 0; at its best every e^s_i L_i is 1.
/// Equation 5 of the paper, which leaves s to the network's optimiser; here it has an Adam of its own, whose rate no schedule changes.
struct imtl_l {
    static constexpr std::string_view name = "imtl-l";

    double lr = 1e-2;
    detail::learnt s{};

    std::string options() const { return detail::option("lr", lr); }
    void start(std::size_t tasks) { s.start(tasks, 0.0); }
    double weight(std::size_t task, double) const { return std::exp(s[task]); }
    void learn(per_task losses) {
        for (std::size_t i = 0; i < losses.size(); ++i)
            if (!std::isnan(losses[i])) s.update(i, weight(i, losses[i]) * losses[i] - 1, {.lr = lr});
    }
    std::span<double> state() { return s.state(); }
};

/// IMTL-G, balance of gradients: the combination with coefficients a_i whose projections onto all tasks' gradients are equal. Equation 3 of
/// the paper, which equation 4 solves for a sum of coefficients of 1; here the sum is K, the number of tasks in the step. Coefficients may
/// be negative. Gradients are those of the shared parameters; the paper takes those of the features between encoder and heads, of which
/// there are several where decoders have skip connections. A task whose gradient is 0 is left out. Where gradients point the same way and
/// several solutions exist, coefficients are 0 that may be.
struct imtl_g {
    static constexpr std::string_view name = "imtl-g";

    std::vector<std::size_t> pulling{}, pivots{}; ///< scratch: tasks of the step with a gradient; the solver's
    std::vector<double> system{}, unknowns{};     ///< scratch

    void start(std::size_t tasks) {
        pulling.reserve(tasks);
        pivots.assign(tasks + 1, 0);
        unknowns.reserve(tasks + 1);
        system.reserve((tasks + 1) * (tasks + 2));
    }
    void combine(per_task losses, const inner_products& products, std::span<double> coefficients) {
        pulling.clear();
        std::fill(coefficients.begin(), coefficients.end(), 0.0);
        double shortest = std::numeric_limits<double>::infinity();
        for (std::size_t i = 0; i < losses.size(); ++i)
            if (!std::isnan(losses[i]) && products(i, i) > 0) {
                pulling.push_back(i);
                shortest = std::min(shortest, std::sqrt(products(i, i)));
            }
        // In b_i = a_i |g_i| and the common projection p, free of the gradients' scale: for every k, sum_i b_i cos(g_i, g_k) - p = 0; and
        // the sum of b_i / |g_i| is 1.
        const std::size_t count = pulling.size(), row = count + 2;
        system.assign((count + 1) * row, 0.0);
        unknowns.assign(count + 1, 0.0);
        for (std::size_t k = 0; k < count; ++k) {
            for (std::size_t i = 0; i < count; ++i) system[k * row + i] = products.cosine(pulling[i], pulling[k]);
            system[k * row + count] = -1;
            system[count * row + k] = shortest / std::sqrt(products(pulling[k], pulling[k]));
        }
        system[count * row + count + 1] = shortest;
        detail::solve(system, pivots, unknowns);
        for (std::size_t i = 0; i < count; ++i)
            coefficients[pulling[i]] = static_cast<double>(count) * unknowns[i] / std::sqrt(products(pulling[i], pulling[i]));
    }
};

/// IMTL, both: IMTL-G for the shared parameters, on gradients of losses that IMTL-L has scaled; heads follow their own scaled loss.
/// Algorithm 1 of the paper.
struct imtl {
    static constexpr std::string_view name = "imtl";

    double lr = 1e-2;   ///< of IMTL-L
    imtl_l losses_side{};
    imtl_g gradients_side{};

    std::string options() const { return detail::option("lr", lr); }
    void start(std::size_t tasks) {
        losses_side.lr = lr;
        losses_side.start(tasks);
        gradients_side.start(tasks);
    }
    double weight(std::size_t task, double loss) const { return losses_side.weight(task, loss); }
    void combine(per_task losses, const inner_products& products, std::span<double> coefficients) {
        gradients_side.combine(losses, products, coefficients);
    }
    void learn(per_task losses) { losses_side.learn(losses); }
    std::span<double> state() { return losses_side.state(); }
};

} // namespace umsrep::balance
