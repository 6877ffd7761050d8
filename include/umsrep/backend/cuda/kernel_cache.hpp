// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <umsrep/backend/cuda/file_cache.hpp>
#include <umsrep/backend/cuda/nvrtc.hpp>

namespace umsrep::cuda {

/// Compiled kernels on disk, a file for each set of kernels: compiling takes seconds, reading a file does not. The key is sources, NVRTC's
/// version, architecture, options and kernels.
class kernel_cache {
public:
    /// As file_cache's.
    explicit kernel_cache(std::filesystem::path folder = file_cache::default_folder()) : files_{std::move(folder), "kernels-"} {}

    struct result {
        compiled_kernels kernels;
        bool found = false;  ///< in the folder
        std::string problem; ///< why they could not be kept there, or empty; they are good all the same
    };

    /// The kernels of these names for an architecture. Throws cuda_error where they do not compile.
    result get(const nvrtc_api& api, std::span<const std::string> names, int architecture) const {
        const std::string key = key_of(api, names, architecture);
        result r;
        if (const auto kept = files_.find(key); kept && read(*kept, r.kernels)) {
            r.found = true;
            return r;
        }
        r.kernels = compile_kernels(api, names, architecture);
        r.problem = files_.keeps() ? files_.keep(key, text(r.kernels))
                                   : "no folder to keep kernels in: neither XDG_CACHE_HOME nor HOME is an absolute path";
        return r;
    }

private:
    static std::string key_of(const nvrtc_api& api, std::span<const std::string> names, int architecture) {
        std::uint64_t sources = hash_name("");
        for (const kernel_source& s : kernel_sources) sources = hash_name(s.text, hash_name(s.name, sources));
        std::string key = "umsrep kernels 3\nsources " + std::to_string(sources) + "\nNVRTC " + api.version_text() + "\nsm_" +
                          std::to_string(architecture) + "\n";
        for (const char* option : nvrtc_options) key += std::string(option) + "\n";
        for (const std::string& name : names) key += name + "\n";
        return key;
    }

    // The number of symbols, the symbols, the image.

    static std::string text(const compiled_kernels& kernels) {
        std::string all;
        file_cache::put(all, kernels.symbols.size());
        for (const std::string& symbol : kernels.symbols) file_cache::put(all, symbol);
        file_cache::put(all, kernels.image);
        return all;
    }
    static bool read(std::string_view from, compiled_kernels& kernels) {
        std::uint64_t symbols = 0;
        if (!file_cache::take(from, symbols)) return false;
        for (std::string symbol; symbols > 0; --symbols) {
            if (!file_cache::take(from, symbol)) return false;
            kernels.symbols.push_back(symbol);
        }
        return file_cache::take(from, kernels.image) && from.empty();
    }

    file_cache files_;
};

} // namespace umsrep::cuda
