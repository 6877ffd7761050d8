// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
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

#include <umsrep/backend/cuda/nvrtc.hpp>
#include <umsrep/core/hash_name.hpp>

namespace umsrep::cuda {

/// Compiled kernels on disk, a file for each set of kernels: compiling takes seconds, reading a file does not. A file holds its whole key
/// (sources, NVRTC's version, architecture, options, kernels) and a check sum; what does not fit or is damaged is compiled again and
/// replaced. Files appear under their names by renaming, so any number of processes may share a folder.
class kernel_cache {
public:
    /// `folder` is made when something is to be kept. Empty: nothing is kept.
    explicit kernel_cache(std::filesystem::path folder = default_folder()) : folder_{std::move(folder)} {}

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

    struct result {
        compiled_kernels kernels;
        bool found = false;  ///< in the folder
        std::string problem; ///< why they could not be kept there, or empty; they are good all the same
    };

    /// The kernels of these names for an architecture. Throws cuda_error where they do not compile.
    result get(const nvrtc_api& api, std::span<const std::string> names, int architecture) const {
        const std::string key = key_of(api, names, architecture);
        result r;
        if (folder_.empty()) {
            r.problem = "no folder to keep kernels in: neither XDG_CACHE_HOME nor HOME is an absolute path";
        } else if (auto kept = read(file_of(key), key); kept) {
            r.kernels = std::move(*kept);
            r.found = true;
            return r;
        }
        r.kernels = compile_kernels(api, names, architecture);
        if (!folder_.empty()) r.problem = write(file_of(key), key, r.kernels);
        return r;
    }

private:
    static std::string key_of(const nvrtc_api& api, std::span<const std::string> names, int architecture) {
        std::uint64_t sources = hash_name("");
        for (const kernel_source& s : kernel_sources) sources = hash_name(s.text, hash_name(s.name, sources));
        std::string key = "umsrep kernels 1\nsources " + std::to_string(sources) + "\nNVRTC " + api.version_text() + "\nsm_" +
                          std::to_string(architecture) + "\n";
        for (const char* option : nvrtc_options) key += std::string(option) + "\n";
        for (const std::string& name : names) key += name + "\n";
        return key;
    }

    std::filesystem::path file_of(const std::string& key) const {
        static constexpr char digits[] = "0123456789abcdef";
        std::string name = "kernels-";
        for (std::uint64_t hash = hash_name(key), i = 0; i < 16; ++i, hash <<= 4) name += digits[hash >> 60];
        return folder_ / name;
    }

    // A file is the check sum of what follows; then the key, the number of symbols, the symbols and the image, each text behind its length.

    static void put(std::string& to, std::uint64_t number) {
        char bytes[sizeof number];
        std::memcpy(bytes, &number, sizeof number);
        to.append(bytes, sizeof number);
    }
    static void put(std::string& to, const std::string& text) {
        put(to, text.size());
        to += text;
    }
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

    /// None where there is no such file, it is damaged, or it belongs to another key.
    static std::optional<compiled_kernels> read(const std::filesystem::path& file, const std::string& expected_key) {
        std::ostringstream bytes;
        if (std::ifstream in(file, std::ios::binary); !in || !(bytes << in.rdbuf())) return std::nullopt; // as a folder of that name
        const std::string content = bytes.str();
        std::string_view rest = content;
        std::uint64_t sum = 0, symbols = 0;
        std::string key;
        if (!take(rest, sum) || sum != hash_name(rest)) return std::nullopt;
        if (!take(rest, key) || key != expected_key || !take(rest, symbols)) return std::nullopt;
        compiled_kernels kernels;
        for (std::string symbol; symbols > 0; --symbols) {
            if (!take(rest, symbol)) return std::nullopt;
            kernels.symbols.push_back(symbol);
        }
        if (!take(rest, kernels.image) || !rest.empty()) return std::nullopt;
        return kernels;
    }

    /// What went wrong, or nothing.
    static std::string write(const std::filesystem::path& file, const std::string& key, const compiled_kernels& kernels) {
        std::string body;
        put(body, key);
        put(body, kernels.symbols.size());
        for (const std::string& symbol : kernels.symbols) put(body, symbol);
        put(body, kernels.image);
        std::string content;
        put(content, hash_name(body));
        content += body;

        std::error_code failure;
        std::filesystem::create_directories(file.parent_path(), failure);
        const auto failed = [&](int cause) { return file.string() + ": cannot be written: " + std::generic_category().message(cause); };
        if (failure) return failed(failure.value());
        std::string temporary = (file.parent_path() / ".kernels-XXXXXX").string();
        const int descriptor = ::mkstemp(temporary.data()); // a name that no other thread or process has
        if (descriptor < 0) return failed(errno);
        int cause = 0;
        for (std::string_view rest = content; !rest.empty() && cause == 0;) {
            const ::ssize_t written = ::write(descriptor, rest.data(), rest.size());
            if (written > 0) rest.remove_prefix(static_cast<std::size_t>(written));
            else if (written == 0 || errno != EINTR) cause = written == 0 ? ENOSPC : errno;
        }
        if (::close(descriptor) != 0 && cause == 0) cause = errno;
        if (cause == 0 && ::rename(temporary.c_str(), file.c_str()) != 0) cause = errno;
        if (cause == 0) return {};
        ::unlink(temporary.c_str());
        return failed(cause);
    }

    std::filesystem::path folder_;
};

} // namespace umsrep::cuda
