// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/train/balance/detail/learnt.hpp>
#include <umsrep/train/balance/detail/softmax.hpp>
#include <umsrep/train/balance/detail/text.hpp>
#include <umsrep/train/balance/policy.hpp>

namespace umsrep::balance {

/// Fast adaptive multitask optimization: all losses shall fall by the same factor. With z = softmax(w), the weight of task i is
/// K (z_i / L_i) / sum_k (z_k / L_k), and w follows what the step did to the logarithms of the losses of its batch. Liu, Feng, Stone, Liu,
/// "FAMO", NeurIPS 2023, algorithm 1 and equations 10 to 12, as in the authors' famo.py, which has no factor K, the number of tasks in the
/// step, and adds 1e-8 to losses. The least losses possible are taken to be 0; a negative one throws `error`.
struct famo {
    static constexpr std::string_view name = "famo";

    double lr = 0.025;
    double weight_decay = 1e-3; ///< gamma of the paper
    detail::learnt w{};
    std::vector<double> z{}, change{}; ///< scratch
    std::vector<char> present{};

    std::string options() const { return detail::option("lr", lr) + " " + detail::option("weight_decay", weight_decay); }
    void start(std::size_t tasks) {
        w.start(tasks, 0.0);
        z.assign(tasks, 0.0);
        change.assign(tasks, 0.0);
        present.assign(tasks, 0);
    }
    void begin(std::span<const char> in_step) {
        std::copy(in_step.begin(), in_step.end(), present.begin());
        detail::softmax_of_present(w.values(), present, z);
    }
    double weight(std::size_t task, double loss) const {
        if (loss < 0) throw error("famo: task " + std::to_string(task), "a loss of at least 0", std::to_string(loss));
        return z[task] / (loss + least);
    }
    double common(per_task losses) const {
        double sum = 0;
        for (std::size_t i = 0; i < losses.size(); ++i)
            if (present[i] != 0) sum += weight(i, losses[i]);
        return detail::count_of(present) / sum;
    }
    /// dw = (the Jacobian of softmax)^T (log before - log after): z_i (d_i - sum_k z_k d_k).
    void observe(per_task before, per_task after) {
        double mean = 0;
        for (std::size_t i = 0; i < before.size(); ++i) {
            change[i] = present[i] != 0 ? std::log(before[i] + least) - std::log(after[i] + least) : 0.0;
            mean += z[i] * change[i];
        }
        for (std::size_t i = 0; i < before.size(); ++i)
            if (present[i] != 0) w.update(i, z[i] * (change[i] - mean), {.lr = lr, .weight_decay = weight_decay});
    }
    std::span<double> state() { return w.state(); }

private:
    static constexpr double least = 1e-8;
};

} // namespace umsrep::balance
