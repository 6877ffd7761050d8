// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data.hpp"
#include "job.hpp"

namespace experiment {

struct run_options {
    std::vector<std::string> families{"cxr-homogeneous", "cxr-heterogeneous", "echo-heterogeneous"};
    std::vector<std::string> arms{"paper"};
    std::vector<int> labels{30, 100, 300, 1000};
    int seeds = 5;
    data_options data;
    schedule tuning{};
    schedule pretraining{.epochs = 15, .learning_rate = 2e-3};
    int threads = 2;
    std::filesystem::path out;
};

/// Runs what is not in the folder yet: every arm of every family, for every budget of labels and every seed.
/// Throws umsrep::error with one line when something is wrong with options, files or the folder.
void run(const run_options& options);

} // namespace experiment
