// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>

#include <unistd.h>

namespace umsrep::test {

/// A fresh empty folder, removed with everything in it at the end of the test.
class temporary_folder {
public:
    temporary_folder() {
        for (int attempt = 0; !std::filesystem::create_directory(path_); ++attempt) {
            path_ = std::filesystem::temp_directory_path() /
                    ("umsrep-test-" + std::to_string(::getpid()) + "-" + std::to_string(attempt));
        }
    }
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;
    ~temporary_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    const std::filesystem::path& path() const { return path_; }
    std::filesystem::path operator/(const std::filesystem::path& name) const { return path_ / name; }

    int files() const {
        int count = 0;
        for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(path_)) ++count;
        return count;
    }

private:
    std::filesystem::path path_ = std::filesystem::temp_directory_path();
};

} // namespace umsrep::test
