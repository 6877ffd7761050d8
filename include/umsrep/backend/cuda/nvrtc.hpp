// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <nvrtc.h>

#include <umsrep/backend/cuda/kernel/sources.hpp>
#include <umsrep/backend/cuda/library.hpp>

namespace umsrep::cuda {

/// The functions of NVRTC, CUDA's compiler as a library, that this library calls, under the names that NVRTC gives them.
class nvrtc_api {
public:
    nvrtc_api() : library_("NVRTC", {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"}) {
        library_.resolve(version, "nvrtcVersion");
        library_.resolve(error_string, "nvrtcGetErrorString");
        library_.resolve(create, "nvrtcCreateProgram");
        library_.resolve(destroy, "nvrtcDestroyProgram");
        library_.resolve(add_name, "nvrtcAddNameExpression");
        library_.resolve(compile, "nvrtcCompileProgram");
        library_.resolve(log_size, "nvrtcGetProgramLogSize");
        library_.resolve(log, "nvrtcGetProgramLog");
        library_.resolve(image_size, "nvrtcGetCUBINSize");
        library_.resolve(image, "nvrtcGetCUBIN");
        library_.resolve(symbol, "nvrtcGetLoweredName");
    }

    decltype(&::nvrtcVersion) version;
    decltype(&::nvrtcGetErrorString) error_string;
    decltype(&::nvrtcCreateProgram) create;
    decltype(&::nvrtcDestroyProgram) destroy;
    decltype(&::nvrtcAddNameExpression) add_name;
    decltype(&::nvrtcCompileProgram) compile;
    decltype(&::nvrtcGetProgramLogSize) log_size;
    decltype(&::nvrtcGetProgramLog) log;
    decltype(&::nvrtcGetCUBINSize) image_size;
    decltype(&::nvrtcGetCUBIN) image;
    decltype(&::nvrtcGetLoweredName) symbol;

    /// Throws cuda_error where a call did not succeed. `action`: what was being done, "compile kernels for sm_90".
    void check(nvrtcResult result, const std::string& action, const std::string& more = "") const {
        if (result == NVRTC_SUCCESS) return;
        throw cuda_error("NVRTC: cannot " + action, "success", error_string(result) + (more.empty() ? "" : " (" + more + ")"));
    }

    /// "13.0"
    std::string version_text() const {
        int major = 0, minor = 0;
        check(version(&major, &minor), "say its version");
        return std::to_string(major) + "." + std::to_string(minor);
    }

private:
    library library_;
};

/// NVRTC's functions, loaded by the first call. Throws device_error where there is no NVRTC; the next call tries again.
inline const nvrtc_api& nvrtc() {
    static const nvrtc_api api;
    return api;
}

/// Kernels as machine code of one architecture.
struct compiled_kernels {
    std::vector<std::string> symbols; ///< what each kernel is called in the image
    std::string image;                ///< a cubin
};

/// Beside the architecture.
inline constexpr std::array<const char*, 1> nvrtc_options{"--std=c++20"};

/// What is compiled. g++ spells types without the namespace of the function that asks for their names.
inline constexpr const char* all_kernels = "#include <umsrep/backend/cuda/kernel/kernels.cuh>\nusing namespace umsrep;\n";

/// Compiles kernels, named as by kernel_name, from `source` for an architecture (90: sm_90), without a device. Throws cuda_error with the
/// compiler's words.
inline compiled_kernels compile_kernels(const nvrtc_api& api, std::span<const std::string> names, int architecture,
                                        const char* source = all_kernels) {
    const std::string target = "sm_" + std::to_string(architecture), what = "compile kernels for " + target;
    std::array<const char*, kernel_sources.size()> texts, files;
    std::transform(kernel_sources.begin(), kernel_sources.end(), texts.begin(), [](const kernel_source& s) { return s.text; });
    std::transform(kernel_sources.begin(), kernel_sources.end(), files.begin(), [](const kernel_source& s) { return s.name; });

    struct program {
        const nvrtc_api& api;
        nvrtcProgram handle = nullptr;
        ~program() { api.destroy(&handle); }
    } p{api};
    api.check(api.create(&p.handle, source, "umsrep", static_cast<int>(texts.size()), texts.data(), files.data()), what);
    for (const std::string& name : names) api.check(api.add_name(p.handle, name.c_str()), what + " (" + name + ")");

    const std::string architecture_option = "--gpu-architecture=" + target;
    std::vector<const char*> options(nvrtc_options.begin(), nvrtc_options.end());
    options.push_back(architecture_option.c_str());
    if (const nvrtcResult result = api.compile(p.handle, static_cast<int>(options.size()), options.data()); result != NVRTC_SUCCESS) {
        std::size_t size = 0;
        api.check(api.log_size(p.handle, &size), what);
        std::string log(size, '\0');
        api.check(api.log(p.handle, log.data()), what);
        log.resize(log.find_last_not_of(std::string("\n\0", 2)) + 1);
        std::replace(log.begin(), log.end(), '\n', ' '); // messages are one line
        api.check(result, what, log);
    }

    compiled_kernels result;
    for (const std::string& name : names) {
        const char* symbol = nullptr;
        api.check(api.symbol(p.handle, name.c_str(), &symbol), "find the kernel " + name);
        result.symbols.emplace_back(symbol);
    }
    std::size_t size = 0;
    api.check(api.image_size(p.handle, &size), what);
    result.image.assign(size, '\0');
    api.check(api.image(p.handle, result.image.data()), what);
    return result;
}

} // namespace umsrep::cuda
