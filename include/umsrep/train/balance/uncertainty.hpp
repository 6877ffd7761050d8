// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <umsrep/train/balance/detail/learnt.hpp>
#include <umsrep/train/balance/detail/text.hpp>
#include <umsrep/train/balance/policy.hpp>

namespace umsrep::balance {

/// Weighs a task by its uncertainty sigma: the sum of L_i / (2 e^s_i) + s_i / 2, s_i = log sigma_i^2 learnt along with the network; weight
/// 1 / (2 e^s_i). Kendall, Gal, Cipolla, "Multi-task learning using uncertainty to weigh losses for scene geometry and semantics", CVPR
/// 2018, equation 7 for every kind of loss, in s as recommended there in section 3.2; s starts at -0.5 as in Liu et al.'s code of MTAN,
/// CVPR 2019. The paper leaves s to the network's optimiser; here it has an Adam of its own, whose rate no schedule changes.
struct uncertainty {
    static constexpr std::string_view name = "uncertainty";

    double initial = -0.5;
    double lr = 1e-2;
    detail::learnt s{};

    std::string options() const { return detail::option("initial", initial) + " " + detail::option("lr", lr); }
    void start(std::size_t tasks) { s.start(tasks, initial); }
    double weight(std::size_t task, double) const { return 0.5 * std::exp(-s[task]); }
    void learn(per_task losses) {
        for (std::size_t i = 0; i < losses.size(); ++i)
            if (!std::isnan(losses[i])) s.update(i, 0.5 - weight(i, losses[i]) * losses[i], {.lr = lr});
    }
    std::span<double> state() { return s.state(); }
};

} // namespace umsrep::balance
