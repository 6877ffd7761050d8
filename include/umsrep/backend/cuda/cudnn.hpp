// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include <cudnn_graph.h>

#include <umsrep/backend/cuda/library.hpp>

namespace umsrep::cuda {

/// 91900 as "9.19.0".
inline std::string cudnn_version_text(std::size_t version) {
    return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." + std::to_string(version % 100);
}

/// The oldest cuDNN that will do: the first whose plans are made from a description of the device.
inline constexpr std::size_t oldest_cudnn = 90800;

/// The functions of cuDNN's graph interface (libcudnn_graph) that this library calls, under the names that cuDNN gives them.
class cudnn_api {
public:
    cudnn_api() : library_("cuDNN", {"libcudnn_graph.so.9", "libcudnn_graph.so"}) {
        library_.resolve(version, "cudnnGetVersion");
        library_.resolve(runtime_version, "cudnnGetCudartVersion");
        library_.resolve(version_check, "cudnnGraphVersionCheck");
        library_.resolve(error_string, "cudnnGetErrorString");
        library_.resolve(last_error, "cudnnGetLastErrorString");
        library_.resolve(create, "cudnnCreate");
        library_.resolve(destroy, "cudnnDestroy");
        library_.resolve(set_stream, "cudnnSetStream");
        library_.resolve(create_descriptor, "cudnnBackendCreateDescriptor");
        library_.resolve(destroy_descriptor, "cudnnBackendDestroyDescriptor");
        library_.resolve(set_attribute, "cudnnBackendSetAttribute");
        library_.resolve(get_attribute, "cudnnBackendGetAttribute");
        library_.resolve(finalize, "cudnnBackendFinalize");
        library_.resolve(execute, "cudnnBackendExecute");
    }

    decltype(&::cudnnGetVersion) version;
    decltype(&::cudnnGetCudartVersion) runtime_version;
    decltype(&::cudnnGraphVersionCheck) version_check;
    decltype(&::cudnnGetErrorString) error_string;
    decltype(&::cudnnGetLastErrorString) last_error;
    decltype(&::cudnnCreate) create;
    decltype(&::cudnnDestroy) destroy;
    decltype(&::cudnnSetStream) set_stream;
    decltype(&::cudnnBackendCreateDescriptor) create_descriptor;
    decltype(&::cudnnBackendDestroyDescriptor) destroy_descriptor;
    decltype(&::cudnnBackendSetAttribute) set_attribute;
    decltype(&::cudnnBackendGetAttribute) get_attribute;
    decltype(&::cudnnBackendFinalize) finalize;
    decltype(&::cudnnBackendExecute) execute;

    /// "CUDNN_STATUS_NOT_SUPPORTED (...)": the status and what cuDNN last said in this thread, on one line.
    std::string words(cudnnStatus_t status) const {
        std::array<char, 1024> message{};
        last_error(message.data(), message.size());
        std::string text = error_string(status);
        std::string more = message.data();
        std::replace(more.begin(), more.end(), '\n', ' ');
        return more.empty() ? text : text + " (" + more + ")";
    }

    /// Throws cuda_error where a call did not succeed. `action`: what was being done.
    void check(cudnnStatus_t status, std::string_view action) const {
        if (status == CUDNN_STATUS_SUCCESS) return;
        const std::string what = "cuDNN: cannot " + std::string(action);
        if (status == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED || status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED)
            throw memory_error(what, "success", words(status));
        throw cuda_error(what, "success", words(status));
    }

private:
    library library_;
};

/// cuDNN's functions, loaded by the first call. Throws device_error where there is no cuDNN; the next call tries again.
inline const cudnn_api& cudnn() {
    static const cudnn_api api;
    return api;
}

} // namespace umsrep::cuda
