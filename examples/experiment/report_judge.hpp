// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "report_study.hpp"

namespace experiment::reporting {

enum class outcome { reproduced, not_reproduced, not_judged };

/// "reproduced", "not reproduced" or "cannot be judged".
const char* to_string(outcome o);

/// One of the criteria by which the paper counts as reproduced.
struct verdict {
    std::string id;        ///< such as "time-frozen.cxr-homogeneous"
    std::string criterion; ///< a sentence
    outcome is = outcome::not_judged;
    std::string evidence; ///< the numbers, or why there is no verdict
};

struct judgement {
    std::vector<verdict> verdicts;
    std::vector<comparison>
        best; ///< for each task at its largest label budget: the arm chosen on validation images against separate models
    std::vector<comparison> small; ///< the same at every budget of the small-label regime
};

/// Verdicts on accuracy need as many seeds of both arms: of fewer, what the choice of the seed does cannot be told from what the arm does.
inline constexpr std::size_t seeds_needed = 3;
/// The small-label regime: budgets up to this.
inline constexpr int few_labels = 100;
/// The page calls a difference significant when its p-value, adjusted, is at most this.
inline constexpr double significance = 0.05;

judgement judge(const study& of, int resamples, std::uint64_t seed);

/// The mean cost of an arm over the seeds that both it and separate models have; NaN where either is missing.
struct saving {
    int labels = 0;
    std::size_t seeds = 0;
    double separate = unknown, seconds = unknown, stage1 = unknown;
    double share() const { return 1 - seconds / separate; }
    double share_with_stage1() const { return 1 - (seconds + stage1) / separate; }
    /// Tasks from which stage 1 and fine-tuning together are cheaper than separate models, T* = C_stage1 / (C_separate - C_finetune) with
    /// costs per task; infinite when fine-tuning saves nothing.
    double break_even(std::size_t tasks) const;
};

/// At the largest budget for which both have seconds.
saving saving_of(const study& of, const std::string& family, const std::string& arm);

} // namespace experiment::reporting
