// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <vector>

#include <nlohmann/json.hpp>
#include <umsrep/train/history.hpp>

#include "options.hpp"

namespace xray {

/// Keeps a second process off a folder while it lives; the system takes it back from a process that dies.
class folder_lock {
public:
    /// Throws option_error naming the folder when another process holds it, file_error when it cannot be opened.
    explicit folder_lock(const std::filesystem::path& folder);
    ~folder_lock();
    folder_lock(const folder_lock&) = delete;
    folder_lock& operator=(const folder_lock&) = delete;

private:
    int descriptor_;
};

/// The files of a training run. Each is written atomically. A run that is under way or was stopped has checkpoints and `unfinished()`;
/// the results of an earlier run stay beside them until those of the new one replace them.
struct run_folder {
    std::filesystem::path path;

    std::filesystem::path model() const { return path / "model.safetensors"; }
    std::filesystem::path metrics() const { return path / "metrics.json"; }
    std::filesystem::path history() const { return path / "history.csv"; }
    std::filesystem::path panel() const { return path / "panel.png"; }
    std::filesystem::path options() const { return path / "options.json"; }
    std::filesystem::path unfinished() const { return path / "checkpoint.json"; } ///< the options of a run that has not finished
    bool begun() const;
    bool finished() const;

    /// Throws option_error when a run is there and `force` is not set.
    void check_free(bool force) const;
    void create() const;
    /// Writes the options of a new run and removes an earlier one's checkpoints.
    void begin(const train_options& options) const;
    /// The options of a run that was stopped. Throws file_error.
    train_options reopen() const;
    /// After a failure: without a checkpoint there is nothing to go on with, and the folder is as it was before `begin`.
    void abandon() const;
    /// All results are written: they are the run's now.
    void finish(const train_options& options) const;
    /// Removes the temporary files of a process that was killed while it wrote. Only for who holds the lock.
    void remove_leftovers() const;

private:
    std::vector<std::filesystem::path> checkpoints() const;
};

/// What is not UTF-8, such as a file's name may be, becomes U+FFFD.
void write_json(const std::filesystem::path& path, const nlohmann::ordered_json& json);
void write_history(const std::filesystem::path& path, const std::vector<umsrep::history>& runs, const std::vector<std::string>& tasks);

} // namespace xray
