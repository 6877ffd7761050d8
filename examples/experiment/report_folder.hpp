// SPDX-License-Identifier: MIT
#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

/// The page that `experiment report` writes, from what `experiment run` measured.
namespace experiment::reporting {

inline constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

/// What was trained: one arm of a family, with so many labels per task, from one seed.
struct run_id {
    std::string family, arm;
    int labels = 0;
    std::uint64_t seed = 0;
    auto operator<=>(const run_id&) const = default;
};

/// A row of costs.csv; NaN where a field is empty.
struct cost {
    double stage1_seconds, train_seconds, epochs, macs_per_step, macs_total, parameters, trained_parameters, peak_bytes, latency_p50_ms,
        latency_p95_ms;
};

/// One test sample: classes of a classification; the score is a probability, that image's IoU, or its PSNR.
struct prediction {
    std::string id, patient;
    int truth = -1, predicted = -1; ///< -1: no classification
    double score = unknown;         ///< NaN where the field is empty
};

/// A picture of test images and what a run made of them.
struct sample_picture {
    run_id run;
    std::filesystem::path file;
};

/// Something that is not there, or is no number, and so cannot be shown or judged.
struct gap {
    std::string where, what;
};

using by_metric = std::map<std::string, double>;
using predictions_by_task = std::map<std::string, std::vector<prediction>>;

struct measured_folder {
    std::filesystem::path path;
    nlohmann::ordered_json settings;
    std::vector<std::string> families, arms; ///< as experiment.json has them; arms that it does not name follow as they first occur
    std::map<run_id, std::map<std::string, by_metric>> results; ///< run, task, metric; NaN as measured
    std::map<run_id, std::map<std::string, by_metric>> counts;  ///< images that each of them is made of
    std::map<run_id, cost> costs;
    std::map<run_id, predictions_by_task> predictions;          ///< samples in the order of their ids
    std::map<run_id, std::map<std::string, double>> validation; ///< run, task: the figure of the trained network on validation images
    std::vector<sample_picture> samples;                        ///< PNG files
    std::vector<gap> gaps;
};

/// Reads experiment.json, results.csv and what there is of costs.csv, curves.csv, predictions/ and samples/. Runs that experiment.json
/// asks for and results.csv does not hold, and files that are not there, become gaps.
/// @throws umsrep::file_error naming file, line and column
measured_folder read_folder(const std::filesystem::path& path);

} // namespace experiment::reporting
