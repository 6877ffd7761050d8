// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

namespace xray {

/// Where images come from. Neither folder nor manifest: simulated ones.
struct data_options {
    std::string findings; ///< a folder in the layout of Kermany et al.: normal, bacterial, viral
    std::string lungs;    ///< a manifest (CSV) with columns file, mask, dataset, split
    std::size_t simulated = 600; ///< training images of the simulator; validation and test get a fifth each

    bool simulates() const { return findings.empty() && lungs.empty(); }
};

struct train_options {
    data_options data;
    int size = 64, epochs = 8, batch = 8, threads = 2;
    std::string strategy = "joint", encoder = "all", init;
    std::uint64_t seed = 1;
    double learning_rate = 2e-3, noise = 0.1;
    std::vector<double> head_weights{5, 1, 1};
    std::size_t checkpoint_every = 100;
    std::filesystem::path out, resume;
    bool force = false;
    std::string device = "cpu"; ///< or cuda
    std::string plans = "measured"; ///< or first

    /// Everything that decides the result: what `--resume` reads back.
    nlohmann::ordered_json to_json() const;
    /// Throws file_error naming `file`.
    static train_options from_json(const nlohmann::ordered_json& json, const std::string& file);
};

struct evaluate_options {
    data_options data;
    std::filesystem::path model, out, panel;
    std::string split = "test", device = "cpu", plans = "measured";
    double noise = 0.1;
    int threads = 2;
};

struct predict_options {
    std::filesystem::path model, out;
    std::vector<std::filesystem::path> images;
    std::string device = "cpu", plans = "measured";
    int threads = 2;
};

struct help {
    std::string text;
};

/// Raised for a wrong command line.
struct usage_error {
    std::string message;
};

using command = std::variant<help, train_options, evaluate_options, predict_options>;

/// Returns `text`, or throws option_error naming `entity` where it is not UTF-8, which JSON files need.
const std::string& utf8(const std::string& text, const std::string& entity);

command parse(int argc, const char* const* argv);

} // namespace xray
