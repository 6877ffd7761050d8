// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <umsrep/backend/cuda/cudnn.hpp>
#include <umsrep/backend/cuda/driver.hpp>
#include <umsrep/backend/cuda/nvrtc.hpp>

namespace umsrep::cuda {

/// Whether the CUDA backend can compute here; else why not, in one sentence.
struct availability {
    bool ok = false;
    std::string reason;

    explicit operator bool() const { return ok; }
};

/// A device of this machine.
struct device_facts {
    std::string name;
    int architecture = 0; ///< 90: compute capability 9.0
};

/// What this machine has of what the backend needs.
struct machine_facts {
    std::string driver_failure; ///< in words, where the driver cannot be loaded or started
    int driver_version = 0;     ///< of CUDA, that the driver serves: 13000
    std::vector<device_facts> devices;
    std::string cudnn_failure;     ///< in words, where cuDNN cannot be loaded or does not fit together
    std::size_t cudnn_version = 0; ///< 91900
    std::size_t cudnn_runtime = 0; ///< of CUDA, that cuDNN was built with: 13000
    std::string nvrtc_failure;     ///< in words, where there is no NVRTC that the driver understands
    int nvrtc_version = 0;         ///< 13000
};

/// The oldest architecture that will do: the first with bfloat16.
inline constexpr int oldest_architecture = 80;

/// Finds out. Throws nothing: what fails is said in the facts.
inline machine_facts survey() {
    machine_facts facts;
    try {
        const driver_api& api = driver();
        api.check(api.init(0), "start");
        api.check(api.driver_version(&facts.driver_version), "ask for its version");
        int count = 0;
        api.check(api.device_count(&count), "count devices");
        for (int i = 0; i < count; ++i) {
            CUdevice device = 0;
            char name[256] = {};
            int major = 0, minor = 0;
            api.check(api.device_get(&device, i), "find a device");
            api.check(api.device_name(name, sizeof name, device), "ask a device for its name");
            api.check(api.device_attribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device),
                      "ask a device for its architecture");
            api.check(api.device_attribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device),
                      "ask a device for its architecture");
            facts.devices.push_back({name, 10 * major + minor});
        }
    } catch (const device_error& e) {
        facts.driver_failure = e.what();
    }
    try {
        const cudnn_api& api = cudnn();
        facts.cudnn_version = api.version();
        facts.cudnn_runtime = api.runtime_version();
        api.check(api.version_check(), "fit its parts together");
    } catch (const device_error& e) {
        facts.cudnn_failure = e.what();
    }
    try {
        facts.nvrtc_version = nvrtc().cuda_version();
    } catch (const device_error& e) {
        facts.nvrtc_failure = e.what();
    }
    return facts;
}

/// What follows from the facts for device number `device`. A pure function.
inline availability judge(const machine_facts& facts, int device) {
    const auto no = [](const std::string& reason) { return availability{false, "cuda: " + reason}; };
    if (!facts.driver_failure.empty()) return no(facts.driver_failure);
    if (facts.devices.empty()) return no("expected an NVIDIA device, got none (the driver is there)");
    if (device < 0 || device >= static_cast<int>(facts.devices.size()))
        return no("expected a device number below " + std::to_string(facts.devices.size()) + ", got " + std::to_string(device));
    const device_facts& d = facts.devices[static_cast<std::size_t>(device)];
    if (d.architecture < oldest_architecture)
        return no(d.name + ": expected architecture sm_" + std::to_string(oldest_architecture) + " or newer, got sm_" +
                  std::to_string(d.architecture));
    if (!facts.cudnn_failure.empty()) return no(facts.cudnn_failure);
    if (facts.cudnn_version / 10000 != CUDNN_MAJOR)
        return no("cuDNN: expected version " + std::to_string(CUDNN_MAJOR) + ", which this program was compiled with, got " +
                  cudnn_version_text(facts.cudnn_version));
    if (facts.cudnn_version < oldest_cudnn)
        return no("cuDNN: expected " + cudnn_version_text(oldest_cudnn) + " or newer, got " + cudnn_version_text(facts.cudnn_version));
    if (static_cast<std::size_t>(facts.driver_version) / 1000 < facts.cudnn_runtime / 1000)
        return no("NVIDIA driver: expected one for CUDA " + cuda_version_text(static_cast<int>(facts.cudnn_runtime)) +
                  ", which cuDNN needs, got one for CUDA " + cuda_version_text(facts.driver_version));
    if (!facts.nvrtc_failure.empty()) return no(facts.nvrtc_failure);
    return {true, d.name};
}

/// Whether device number `device` of this machine can be computed on: `if (const auto a = cuda::available(); !a) puts(a.reason)`.
inline availability available(int device = 0) { return judge(survey(), device); }

/// A device and what drives it: "NVIDIA H200 (sm_90), driver for CUDA 13.0, cuDNN 9.19.0, NVRTC 13.0"; or why it cannot be computed on.
inline std::string describe_device(int device = 0) {
    const machine_facts facts = survey();
    if (const availability a = judge(facts, device); !a) return a.reason;
    const device_facts& d = facts.devices[static_cast<std::size_t>(device)];
    return d.name + " (sm_" + std::to_string(d.architecture) + "), driver for CUDA " + cuda_version_text(facts.driver_version) + ", cuDNN " +
           cudnn_version_text(facts.cudnn_version) + ", NVRTC " + cuda_version_text(facts.nvrtc_version);
}

/// The same behind "cuda, ", for records; or why not.
inline std::string describe(int device = 0) {
    const availability a = available(device);
    return a ? "cuda, " + describe_device(device) : a.reason;
}

} // namespace umsrep::cuda
