// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include <nvrtc.h>

#include <umsrep/backend/cuda/driver.hpp>
#include <umsrep/backend/cuda/kernel/sources.hpp>
#include <umsrep/backend/cuda/library.hpp>

namespace umsrep::cuda {

/// The functions of NVRTC, CUDA's compiler as a library, that this library calls, under the names that NVRTC gives them.
class nvrtc_api {
public:
    /// `name`: of the library's file. Throws device_error.
    explicit nvrtc_api(const char* name) : library_("NVRTC", {name}) {
        library_.resolve(version, "nvrtcVersion");
        library_.resolve(error_string, "nvrtcGetErrorString");
        library_.resolve(create, "nvrtcCreateProgram");
        library_.resolve(destroy, "nvrtcDestroyProgram");
        library_.resolve(add_name, "nvrtcAddNameExpression");
        library_.resolve(compile, "nvrtcCompileProgram");
        library_.resolve(architecture_count, "nvrtcGetNumSupportedArchs");
        library_.resolve(architectures_known, "nvrtcGetSupportedArchs");
        library_.resolve(log_size, "nvrtcGetProgramLogSize");
        library_.resolve(log, "nvrtcGetProgramLog");
        library_.resolve(image_size, "nvrtcGetCUBINSize");
        library_.resolve(image, "nvrtcGetCUBIN");
        library_.resolve(ptx_size, "nvrtcGetPTXSize");
        library_.resolve(ptx, "nvrtcGetPTX");
        library_.resolve(symbol, "nvrtcGetLoweredName");
    }

    decltype(&::nvrtcVersion) version;
    decltype(&::nvrtcGetErrorString) error_string;
    decltype(&::nvrtcCreateProgram) create;
    decltype(&::nvrtcDestroyProgram) destroy;
    decltype(&::nvrtcAddNameExpression) add_name;
    decltype(&::nvrtcCompileProgram) compile;
    decltype(&::nvrtcGetNumSupportedArchs) architecture_count;
    decltype(&::nvrtcGetSupportedArchs) architectures_known;
    decltype(&::nvrtcGetProgramLogSize) log_size;
    decltype(&::nvrtcGetProgramLog) log;
    decltype(&::nvrtcGetCUBINSize) image_size;
    decltype(&::nvrtcGetCUBIN) image;
    decltype(&::nvrtcGetPTXSize) ptx_size;
    decltype(&::nvrtcGetPTX) ptx;
    decltype(&::nvrtcGetLoweredName) symbol;

    /// Throws cuda_error where a call did not succeed. `action`: what was being done, "compile kernels for sm_90".
    void check(nvrtcResult result, const std::string& action, const std::string& more = "") const {
        if (result == NVRTC_SUCCESS) return;
        throw cuda_error("NVRTC: cannot " + action, "success", error_string(result) + (more.empty() ? "" : " (" + more + ")"));
    }

    /// Of CUDA: 13000 for 13.0.
    int cuda_version() const {
        int major = 0, minor = 0;
        check(version(&major, &minor), "say its version");
        return 1000 * major + 10 * minor;
    }
    std::string version_text() const { return cuda_version_text(cuda_version()); }

    /// Those that it compiles for, from the oldest on: 75, 80, ...
    std::vector<int> architectures() const {
        int count = 0;
        check(architecture_count(&count), "count architectures");
        std::vector<int> all(static_cast<std::size_t>(count));
        check(architectures_known(all.data()), "list architectures");
        std::sort(all.begin(), all.end());
        return all;
    }

private:
    library library_;
};

/// The first library of `names` whose kernels a driver for CUDA `driver` (13000; 0: any) understands: one of its own major version or an
/// older one. `open(name)` gives what has a `cuda_version`, or throws device_error. Throws device_error with what was found.
template <class Open>
auto open_for_driver(std::span<const char* const> names, int driver, Open open) -> decltype(open(names[0])) {
    std::string tried, found, missing;
    for (const char* const name : names) {
        try {
            auto api = open(name);
            const int version = api.cuda_version();
            if (driver == 0 || version / 1000 <= driver / 1000) return api;
            found += (found.empty() ? "" : ", ") + std::string(name) + " of CUDA " + cuda_version_text(version);
        } catch (const device_error& e) {
            if (missing.empty()) missing = e.what();
        }
        tried += (tried.empty() ? "" : " or ") + std::string(name);
    }
    if (found.empty()) throw device_error("NVRTC", tried + " to be there", missing);
    const std::string understood = "one of CUDA " + std::to_string(driver / 1000) + " or older";
    throw device_error("NVRTC", understood + ", as the NVIDIA driver is for CUDA " + cuda_version_text(driver), found);
}

/// NVRTC's functions, loaded by the first call: of the newest that is installed and that the driver understands. Throws device_error where
/// there is none; the next call tries again.
inline const nvrtc_api& nvrtc() {
    static constexpr std::array names{"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"};
    static const nvrtc_api api = open_for_driver(names, driver_cuda_version(), [](const char* name) { return nvrtc_api(name); });
    return api;
}

/// What kernels are compiled to: machine code for an architecture or, where NVRTC does not know it yet, PTX for the newest one before it,
/// which the driver translates.
struct compile_target {
    int architecture = 0; ///< 90
    bool machine_code = true;

    std::string text() const { return (machine_code ? "sm_" : "compute_") + std::to_string(architecture); }
};
/// `known`: from the oldest on. Throws device_error where the architecture is older than all of them.
inline compile_target target_for(int architecture, std::span<const int> known) {
    const auto after = std::upper_bound(known.begin(), known.end(), architecture);
    if (after == known.begin()) {
        const std::string oldest = known.empty() ? "" : ", sm_" + std::to_string(known.front()) + " or newer";
        throw device_error("NVRTC", "an architecture that it knows" + oldest, "sm_" + std::to_string(architecture));
    }
    const int nearest = *std::prev(after);
    return {nearest, nearest == architecture};
}

/// Kernels as a driver loads them.
struct compiled_kernels {
    std::vector<std::string> symbols; ///< what each kernel is called in the image
    std::string image;                ///< a cubin, or PTX
};

/// Beside the architecture.
inline constexpr std::array<const char*, 1> nvrtc_options{"--std=c++20"};

/// What is compiled. g++ spells types without the namespace of the function that asks for their names.
inline constexpr const char* all_kernels = "#include <umsrep/backend/cuda/kernel/kernels.cuh>\nusing namespace umsrep;\n";

/// Compiles kernels, named as by kernel_name, from `source` for an architecture (90: sm_90), without a device. Throws device_error with the
/// compiler's words.
inline compiled_kernels compile_kernels(const nvrtc_api& api, std::span<const std::string> names, int architecture,
                                        const char* source = all_kernels) {
    const compile_target to = target_for(architecture, api.architectures());
    const std::string what = "compile kernels for " + to.text();
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

    const std::string architecture_option = "--gpu-architecture=" + to.text();
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
    api.check((to.machine_code ? api.image_size : api.ptx_size)(p.handle, &size), what);
    result.image.assign(size, '\0');
    api.check((to.machine_code ? api.image : api.ptx)(p.handle, result.image.data()), what);
    return result;
}

} // namespace umsrep::cuda
