// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "data.hpp"
#include "session.hpp"

namespace doppler {

struct train_options {
    data_options data;
    training how;
    int size = 64, threads = 2;
    std::uint64_t seed = 1;
    std::filesystem::path out; ///< folder: model.safetensors, metrics.json
    bool force = false;        ///< overwrite a model
    std::string device = "cpu"; ///< or cuda, or auto
    std::string plans = "measured"; ///< or first
};

struct evaluate_options {
    data_options data;
    std::filesystem::path model, out; ///< metrics as JSON, if named
    std::string split = "test", device = "cpu", plans = "measured";
    int threads = 2;
};

struct predict_options {
    std::filesystem::path model, folder, out;
    std::string device = "cpu", plans = "measured";
    int threads = 2;
};

/// The three commands. They throw umsrep::error with one line when something is wrong with files or options.
void run(const train_options& options);
void run(const evaluate_options& options);
void run(const predict_options& options);

} // namespace doppler
