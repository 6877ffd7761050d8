// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include <cuda.h>

#include <umsrep/backend/cuda/library.hpp>

namespace umsrep::cuda {

/// The functions of the CUDA driver (libcuda) that this library calls, under the names that the driver gives them.
class driver_api {
public:
    driver_api() : library_("NVIDIA driver", {"libcuda.so.1"}) {
        library_.resolve(init, "cuInit");
        library_.resolve(driver_version, "cuDriverGetVersion");
        library_.resolve(error_name, "cuGetErrorName");
        library_.resolve(error_string, "cuGetErrorString");
        library_.resolve(device_count, "cuDeviceGetCount");
        library_.resolve(device_get, "cuDeviceGet");
        library_.resolve(device_name, "cuDeviceGetName");
        library_.resolve(device_attribute, "cuDeviceGetAttribute");
        library_.resolve(context_retain, "cuDevicePrimaryCtxRetain");
        library_.resolve(context_release, "cuDevicePrimaryCtxRelease_v2");
        library_.resolve(context_set, "cuCtxSetCurrent");
        library_.resolve(allocate, "cuMemAlloc_v2");
        library_.resolve(free, "cuMemFree_v2");
        library_.resolve(memory_left, "cuMemGetInfo_v2");
        library_.resolve(allocate_on_host, "cuMemHostAlloc");
        library_.resolve(free_on_host, "cuMemFreeHost");
        library_.resolve(fill, "cuMemsetD8Async");
        library_.resolve(copy_to_device, "cuMemcpyHtoDAsync_v2");
        library_.resolve(copy_to_host, "cuMemcpyDtoHAsync_v2");
        library_.resolve(stream_create, "cuStreamCreate");
        library_.resolve(stream_destroy, "cuStreamDestroy_v2");
        library_.resolve(stream_synchronize, "cuStreamSynchronize");
        library_.resolve(stream_wait, "cuStreamWaitEvent");
        library_.resolve(stream_capture, "cuStreamBeginCapture_v2");
        library_.resolve(stream_captured, "cuStreamEndCapture");
        library_.resolve(event_create, "cuEventCreate");
        library_.resolve(event_destroy, "cuEventDestroy_v2");
        library_.resolve(event_record, "cuEventRecord");
        library_.resolve(event_synchronize, "cuEventSynchronize");
        library_.resolve(event_elapsed, "cuEventElapsedTime");
        library_.resolve(graph_destroy, "cuGraphDestroy");
        library_.resolve(graph_instantiate, "cuGraphInstantiateWithFlags");
        library_.resolve(graph_launch, "cuGraphLaunch");
        library_.resolve(instance_destroy, "cuGraphExecDestroy");
        library_.resolve(module_load, "cuModuleLoadData");
        library_.resolve(module_unload, "cuModuleUnload");
        library_.resolve(module_function, "cuModuleGetFunction");
        library_.resolve(launch_kernel, "cuLaunchKernel");
    }

    decltype(&::cuInit) init;
    decltype(&::cuDriverGetVersion) driver_version;
    decltype(&::cuGetErrorName) error_name;
    decltype(&::cuGetErrorString) error_string;
    decltype(&::cuDeviceGetCount) device_count;
    decltype(&::cuDeviceGet) device_get;
    decltype(&::cuDeviceGetName) device_name;
    decltype(&::cuDeviceGetAttribute) device_attribute;
    decltype(&::cuDevicePrimaryCtxRetain) context_retain;
    decltype(&::cuDevicePrimaryCtxRelease) context_release;
    decltype(&::cuCtxSetCurrent) context_set;
    decltype(&::cuMemAlloc) allocate;
    decltype(&::cuMemFree) free;
    decltype(&::cuMemGetInfo) memory_left;
    decltype(&::cuMemHostAlloc) allocate_on_host;
    decltype(&::cuMemFreeHost) free_on_host;
    decltype(&::cuMemsetD8Async) fill;
    decltype(&::cuMemcpyHtoDAsync) copy_to_device;
    decltype(&::cuMemcpyDtoHAsync) copy_to_host;
    decltype(&::cuStreamCreate) stream_create;
    decltype(&::cuStreamDestroy) stream_destroy;
    decltype(&::cuStreamSynchronize) stream_synchronize;
    decltype(&::cuStreamWaitEvent) stream_wait;
    decltype(&::cuStreamBeginCapture) stream_capture;
    decltype(&::cuStreamEndCapture) stream_captured;
    decltype(&::cuEventCreate) event_create;
    decltype(&::cuEventDestroy) event_destroy;
    decltype(&::cuEventRecord) event_record;
    decltype(&::cuEventSynchronize) event_synchronize;
    decltype(&::cuEventElapsedTime) event_elapsed;
    decltype(&::cuGraphDestroy) graph_destroy;
    decltype(&::cuGraphInstantiateWithFlags) graph_instantiate;
    decltype(&::cuGraphLaunch) graph_launch;
    decltype(&::cuGraphExecDestroy) instance_destroy;
    decltype(&::cuModuleLoadData) module_load;
    decltype(&::cuModuleUnload) module_unload;
    decltype(&::cuModuleGetFunction) module_function;
    decltype(&::cuLaunchKernel) launch_kernel;

    /// "CUDA_ERROR_NO_DEVICE (no CUDA-capable device is detected)"
    std::string words(CUresult result) const {
        const char *name = nullptr, *sentence = nullptr;
        error_name(result, &name);
        error_string(result, &sentence);
        return std::string(name != nullptr ? name : "unknown error") + " (" + (sentence != nullptr ? sentence : std::to_string(result)) +
               ")";
    }

    /// Throws cuda_error where a call did not succeed. `action`: what was being done, "allocate 64 MiB".
    void check(CUresult result, std::string_view action) const {
        if (result == CUDA_SUCCESS) return;
        const std::string what = "CUDA driver: cannot " + std::string(action);
        if (result == CUDA_ERROR_OUT_OF_MEMORY) throw memory_error(what, "success", words(result));
        throw cuda_error(what, "success", words(result));
    }

private:
    library library_;
};

/// The driver's functions, loaded by the first call. Throws device_error where there is no driver; the next call tries again.
inline const driver_api& driver() {
    static const driver_api api;
    return api;
}

/// The version of CUDA that the driver serves, 13000; 0 where there is no driver.
inline int driver_cuda_version() {
    int version = 0;
    try {
        driver().check(driver().driver_version(&version), "ask for its version");
    } catch (const device_error&) {
        return 0;
    }
    return version;
}

/// 13000 as "13.0".
inline std::string cuda_version_text(int version) { return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10); }

} // namespace umsrep::cuda
