// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace experiment {

using rows = std::vector<std::vector<std::string>>;

/// What one run adds to the tables, as they are written.
struct run_rows {
    rows results, costs, curves, predictions;
};

/// The folder of an experiment. What a run measured is one file in runs/, which appears complete or not at all; the tables are made of
/// those files anew after each run, so a process that is killed leaves nothing half done. One process works in it.
class result_folder {
public:
    /// Makes the folder, locks it and reads the runs that are there. Throws file_error, and option_error when another process works in it.
    explicit result_folder(const std::filesystem::path& path);
    ~result_folder();
    result_folder(const result_folder&) = delete;
    result_folder& operator=(const result_folder&) = delete;

    /// What the folder is of once these settings are added to experiment.json, if it is there. More families, arms, budgets and seeds may
    /// be asked for, or fewer: the lists are united, and no run that is there changes its meaning. All else must be the same, "machine"
    /// only where there are to be more runs than before. Throws option_error naming the first setting that differs, and file_error where
    /// there are runs and no experiment.json that says how they were made.
    nlohmann::ordered_json united(const nlohmann::ordered_json& settings) const;
    /// Writes experiment.json.
    void begin(const nlohmann::ordered_json& settings) const;

    bool has(const std::string& run) const { return runs_.contains(run); }
    std::size_t size() const { return runs_.size(); }
    void add(const std::string& run, run_rows measured);

    std::filesystem::path encoder(const std::string& modality, int seed) const;
    std::filesystem::path sample(const std::string& run) const;

private:
    void write_tables() const;

    std::filesystem::path path_;
    int descriptor_;
    std::map<std::string, run_rows> runs_;
};

} // namespace experiment
