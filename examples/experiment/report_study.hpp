// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <umsrep/statistics/interval.hpp>

#include "report_folder.hpp"

namespace experiment::reporting {

enum class task_type { classification, segmentation, denoising };

/// A task of a family, and the one figure by which arms are compared: a mean over test images, so that paired tests can be made of it.
struct task_of {
    std::string family, name;
    task_type type = task_type::classification;

    /// accuracy, iou_per_image or psnr.
    const char* metric() const;
    /// "accuracy", "IoU per image" or "PSNR, dB".
    const char* title() const;
    /// Differences are shown in points (hundredths), those of PSNR in dB.
    double points() const { return type == task_type::denoising ? 1 : 100; }
    const char* unit() const { return type == task_type::denoising ? "dB" : "points"; }
};

/// Whether the encoder came from stage 1 on the same modality.
bool pretrained(std::string_view arm);

/// The measured folder, asked for what the page shows.
class study {
public:
    explicit study(const measured_folder& folder);

    const measured_folder& folder() const { return folder_; }
    /// Those with results, in the order of experiment.json.
    const std::vector<std::string>& families() const { return families_; }
    /// Those of a family, in the order of their names.
    std::vector<task_of> tasks(std::string_view family) const;
    const std::vector<task_of>& tasks() const { return tasks_; }
    /// Arms with any result of the family, in the order in which they ran.
    std::vector<std::string> arms(std::string_view family) const;
    /// In ascending order.
    std::vector<int> budgets(std::string_view family) const;
    /// Names of every metric of the task, in any run.
    std::vector<std::string> metrics(const task_of& task) const;

    /// The metric from each seed that has it as a number.
    std::map<std::uint64_t, double> values(const task_of& task, const std::string& metric, const std::string& arm, int labels) const;
    /// Their mean; NaN of none.
    double mean(const task_of& task, const std::string& metric, const std::string& arm, int labels) const;
    /// How many images the metric is made of, in the mean over seeds: an envelope may not be read, a mask may be empty.
    double mean_count(const task_of& task, const std::string& metric, const std::string& arm, int labels) const;
    /// Seeds from which the arm has every task's figure at every budget of the family.
    std::set<std::uint64_t> complete_seeds(std::string_view family, const std::string& arm) const;

    /// The pre-trained arm that was best on validation images, in the mean over seeds; empty when no arm was validated. Of arms with fewer
    /// seeds than another one is none: a lucky seed would win. Test images have no part in the choice.
    std::string chosen_arm(const task_of& task, int labels) const;

    /// The largest budget with results of every given arm in every task of the family; 0 when there is none.
    int largest_budget(std::string_view family, std::span<const std::string> arms) const;

private:
    const measured_folder& folder_;
    std::vector<std::string> families_;
    std::vector<task_of> tasks_;
};

/// The mean over the drawn seeds of each seed's mean over the drawn patients' images, both drawn with replacement.
struct bootstrapped {
    double value = unknown;
    umsrep::statistics::interval interval{};
    double p = unknown; ///< two-sided, of the value being 0
};

/// One value for each image of each seed. `patients` and `values` are as long as each other.
struct of_seed {
    std::uint64_t seed = 0;
    std::vector<std::string> patients;
    std::vector<double> values;
};

/// The 95 % percentile interval and the p-value over patients and seeds, drawn independently of each other, so that both the choice of test
/// patients and that of the seeds count; with one seed it is the bootstrap over patients. Everything is NaN for fewer than 2 patients or a
/// value that is no number. Source: Owen, The pigeonhole bootstrap, Ann. Appl. Stat. 1, 2007, 386-411.
bootstrapped bootstrap(std::span<const of_seed> seeds, int resamples, std::uint64_t seed);

/// What the page says of one arm against another in one task with so many labels.
struct comparison {
    task_of task;
    int labels = 0;
    std::string arm, baseline;
    std::size_t seeds = 0, images = 0, patients = 0; ///< that both have
    double first = unknown, second = unknown;        ///< means over those images and seeds
    bootstrapped difference;                         ///< first - second, in the metric's unit
    double holm = unknown;                           ///< p adjusted over the family of tests that the comparison belongs to
    double wilcoxon_seeds = unknown;                 ///< p over the seeds' means; of fewer than 2 seeds not known
    double wilcoxon_images = unknown;                ///< p over images, each the mean of its seeds; segmentation and denoising
    std::vector<double> mcnemar, delong;             ///< p of each seed; DeLong for two classes only
    double auroc_difference = unknown;               ///< mean over seeds
    std::string missing;                             ///< why there is no comparison; empty when there is one
};

/// @throws umsrep::file_error when the two arms tell different truths of one image
comparison compare(const study& of, const task_of& task, int labels, const std::string& arm, const std::string& baseline, int resamples,
                   std::uint64_t seed);

/// Sets `holm` of the comparisons that have a p-value, over all of these.
void adjust(std::span<comparison> family);

/// An arm's own value with its interval over patients and seeds.
bootstrapped value_of(const study& of, const task_of& task, int labels, const std::string& arm, int resamples, std::uint64_t seed);

} // namespace experiment::reporting
