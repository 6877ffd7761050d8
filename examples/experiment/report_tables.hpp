// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string>
#include <vector>

#include "report_judge.hpp"
#include "report_study.hpp"
#include "report_table.hpp"

/// The tables of the page, each made in one place for HTML, CSV and JSON.
namespace experiment::reporting {

data_table verdict_table(const judgement& j);

/// The paper's table beside the same figures here, at the largest budget with all four arms (else the largest there is).
data_table paper_table_5(const study& of);
data_table paper_table_7(const study& of);

/// Each arm's figure in each task at each budget, with its interval over test patients and seeds.
data_table learning_curves(const study& of, int resamples, std::uint64_t seed);

/// Mean rank of the arms over the tasks and budgets of their family.
data_table ranking(const study& of);

/// What comes from several tasks, from stage 1, and from any pre-training.
data_table controls(const study& of, int resamples, std::uint64_t seed);

/// Every arm against separate models in each task at each budget; `adjust`ed.
std::vector<comparison> comparisons(const study& of, int resamples, std::uint64_t seed);
data_table comparison_table(std::string id, std::string caption, std::span<const comparison> all);

data_table cost_table(const study& of);

/// All figures of a task at the largest budget, arm by arm.
data_table figures_of(const study& of, const task_of& task);
/// Doppler quantities; no rows where none were measured.
data_table quantities(const study& of);
/// Each task's figure on images that are not like those trained on; no rows where there are none.
data_table shifted(const study& of);
/// Every figure of every task, budget and seed, one a row.
data_table figures(const study& of);

data_table gap_table(const study& of, std::span<const comparison> comparisons);

} // namespace experiment::reporting
