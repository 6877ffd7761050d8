// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <vector>

#include <nlohmann/json.hpp>
#include <umsrep/train/history.hpp>

#include "options.hpp"

namespace xray {

/// The files of a training run. Each is written atomically.
struct run_folder {
    std::filesystem::path path;

    std::filesystem::path model() const { return path / "model.safetensors"; }
    std::filesystem::path metrics() const { return path / "metrics.json"; }
    std::filesystem::path history() const { return path / "history.csv"; }
    std::filesystem::path panel() const { return path / "panel.png"; }
    std::filesystem::path options() const { return path / "options.json"; } ///< exists from the first moment of a run
    bool begun() const;
    bool finished() const; ///< metrics.json is written last

    /// Throws option_error when a run is there and `force` is not set.
    void check_free(bool force) const;
    /// Creates the folder, removes what an earlier run left, and writes the options.
    void begin(const train_options& options) const;
    /// The options of a run that was stopped. Throws file_error.
    train_options reopen() const;
    void remove_checkpoints() const;
};

void write_json(const std::filesystem::path& path, const nlohmann::ordered_json& json);
void write_history(const std::filesystem::path& path, const std::vector<umsrep::history>& runs, const std::vector<std::string>& tasks);

} // namespace xray
