// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <unistd.h>

#include <umsrep/core/atomic_file.hpp>
#include <umsrep/core/hash_name.hpp>

namespace umsrep::cuda {

/// What was dear to make, on disk, under a key: a file each, which holds the whole key and a check sum. What does not fit or is damaged
/// counts as not there. Files appear under their names by renaming, so any number of processes may share a folder.
class file_cache {
public:
    /// Files are called `prefix` and a number. `folder` is made when something is to be kept. Empty: nothing is kept.
    file_cache(std::filesystem::path folder, std::string prefix) : folder_{std::move(folder)}, prefix_{std::move(prefix)} {}

    /// $XDG_CACHE_HOME/umsrep, else $HOME/.cache/umsrep, else none.
    static std::filesystem::path default_folder() {
        const auto absolute = [](const char* variable) {
            const char* const value = std::getenv(variable);
            return value != nullptr && value[0] == '/' ? std::filesystem::path{value} : std::filesystem::path{};
        };
        if (const auto cache = absolute("XDG_CACHE_HOME"); !cache.empty()) return cache / "umsrep";
        if (const auto home = absolute("HOME"); !home.empty()) return home / ".cache" / "umsrep";
        return {};
    }

    bool keeps() const { return !folder_.empty(); }
    /// Why nothing can be kept, as far as that is seen without writing; or nothing.
    std::string problem() const {
        if (!keeps()) return "no folder to keep them in: neither XDG_CACHE_HOME nor HOME is an absolute path";
        std::error_code failure;
        std::filesystem::path at = folder_; // or what is there of the way to it
        while (!std::filesystem::exists(at, failure) && at != at.parent_path()) at = at.parent_path();
        if (std::filesystem::is_directory(at, failure)) {
            if (::access(at.c_str(), W_OK | X_OK) == 0) return {};
            failure = {errno, std::generic_category()};
        } else {
            failure = std::make_error_code(std::errc::not_a_directory);
        }
        return folder_.string() + ": cannot be written: " + failure.message();
    }

    /// None where there is no such file, it is damaged, or it belongs to another key.
    std::optional<std::string> find(const std::string& key) const {
        if (!keeps()) return std::nullopt;
        std::ostringstream bytes;
        if (std::ifstream in(file_of(key), std::ios::binary); !in || !(bytes << in.rdbuf()))
            return std::nullopt; // as a folder of that name
        const std::string all = bytes.str();
        std::string_view rest = all;
        std::uint64_t sum = 0;
        std::string found, content;
        if (!take(rest, sum) || sum != hash_name(rest)) return std::nullopt;
        if (!take(rest, found) || found != key || !take(rest, content) || !rest.empty()) return std::nullopt;
        return content;
    }

    /// What went wrong, or nothing.
    std::string keep(const std::string& key, const std::string& content) const {
        if (!keeps()) return {};
        std::string body;
        put(body, key);
        put(body, content);
        std::string all;
        put(all, hash_name(body));
        return write(file_of(key), all + body);
    }

    /// Makes what was kept be not there. What another key left under the same name goes, too: it can be made again.
    void forget(const std::string& key) const {
        std::error_code ignored; // as where it is not there
        if (keeps()) std::filesystem::remove(file_of(key), ignored);
    }

    // Numbers, and texts behind their lengths, one after another.

    static void put(std::string& to, std::uint64_t number) {
        char bytes[sizeof number];
        std::memcpy(bytes, &number, sizeof number);
        to.append(bytes, sizeof number);
    }
    static void put(std::string& to, const std::string& text) {
        put(to, text.size());
        to += text;
    }
    /// Whether there was one.
    static bool take(std::string_view& from, std::uint64_t& number) {
        if (from.size() < sizeof number) return false;
        std::memcpy(&number, from.data(), sizeof number);
        from.remove_prefix(sizeof number);
        return true;
    }
    static bool take(std::string_view& from, std::string& text) {
        std::uint64_t size = 0;
        if (!take(from, size) || from.size() < size) return false;
        text = from.substr(0, size);
        from.remove_prefix(size);
        return true;
    }

private:
    std::filesystem::path file_of(const std::string& key) const {
        static constexpr char digits[] = "0123456789abcdef";
        std::string name = prefix_;
        for (std::uint64_t hash = hash_name(key), i = 0; i < 16; ++i, hash <<= 4) name += digits[hash >> 60];
        return folder_ / name;
    }

    static std::string write(const std::filesystem::path& file, const std::string& content) {
        std::error_code failure;
        std::filesystem::create_directories(file.parent_path(), failure);
        if (failure) return file.string() + ": cannot be written: " + failure.message();
        try {
            write_atomically(file, std::as_bytes(std::span(content)));
        } catch (const file_error& e) {
            return e.what();
        }
        return {};
    }

    std::filesystem::path folder_;
    std::string prefix_;
};

} // namespace umsrep::cuda
