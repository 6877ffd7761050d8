// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include <umsrep/core/error.hpp>

namespace umsrep::io {

/// The whole content of a regular file. A file above `limit` bytes is refused before anything is allocated.
/// Throws file_error: not there, not a regular file, unreadable, too large.
inline std::vector<std::byte> read_bytes(const std::filesystem::path& path, std::uintmax_t limit = std::uintmax_t{1} << 36) {
    namespace fs = std::filesystem;
    std::error_code failure;
    const fs::file_status status = fs::status(path, failure);
    if (status.type() == fs::file_type::not_found) throw file_error(path.string() + ": no such file");
    if (failure) throw file_error(path.string() + ": " + failure.message());
    if (!fs::is_regular_file(status)) throw file_error(path.string(), "a regular file", "something else (a folder or a device)");

    const std::uintmax_t size = fs::file_size(path, failure);
    if (failure) throw file_error(path.string() + ": " + failure.message());
    if (size > limit) {
        throw file_error(path.string(), "at most " + std::to_string(limit) + " bytes", std::to_string(size) + " bytes");
    }
    std::ifstream file(path, std::ios::binary);
    if (!file) throw file_error(path.string() + ": cannot be opened for reading");
    std::vector<std::byte> bytes(static_cast<std::size_t>(size));
    file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
    if (static_cast<std::uintmax_t>(file.gcount()) != size) {
        throw file_error(path.string(), std::to_string(size) + " bytes", std::to_string(file.gcount()) + " bytes read");
    }
    return bytes;
}

} // namespace umsrep::io
