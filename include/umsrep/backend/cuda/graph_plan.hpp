// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <umsrep/backend/cuda/engine.hpp>

namespace umsrep::cuda {

/// cuDNN on the device whose context is current, ordered by one stream.
class cudnn_handle {
public:
    /// Throws cuda_error.
    explicit cudnn_handle(cudaStream_t stream) {
        cudnn().check(cudnn().create(&handle_), "begin");
        const cudnnStatus_t status = cudnn().set_stream(handle_, stream);
        if (status == CUDNN_STATUS_SUCCESS) return;
        cudnn().destroy(handle_);
        cudnn().check(status, "use the stream");
    }
    cudnn_handle(const cudnn_handle&) = delete;
    cudnn_handle& operator=(const cudnn_handle&) = delete;
    ~cudnn_handle() { cudnn().destroy(handle_); }

    cudnnHandle_t get() const { return handle_; }

private:
    cudnnHandle_t handle_ = nullptr;
};

/// A graph, ready to run on devices of one description. Kernels that cuDNN compiles while the program runs are compiled here.
class graph_plan {
public:
    /// By an engine that `find_engines` found for this graph and device. Throws cuda_error.
    graph_plan(const built_graph& g, const engine& e, const device_description& device)
        : name_{g.name()}, roles_{g.roles()}, plan_{CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR} {
        plan_.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, e.configuration);
        finish(device);
    }
    /// By what `json()` said of a plan for this graph and device. Throws cuda_error, where the versions of cuDNN differ too.
    graph_plan(const built_graph& g, std::string_view json, const device_description& device)
        : name_{g.name()}, roles_{g.roles()}, plan_{CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR} {
        plan_.set(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, std::span<const char>(json.data(), json.size()));
        finish(device);
    }

    /// Bytes of scratch memory that it needs.
    std::int64_t workspace() const { return workspace_; }

    std::string json() const {
        const std::vector<char> text = plan_.get<char>(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION);
        return std::string(text.begin(), std::find(text.begin(), text.end(), '\0'));
    }

    /// Runs it on the handle's stream; returns before it is done. Every role of the graph has one argument. Throws option_error where one
    /// has none, cuda_error where cuDNN refuses.
    void execute(const cudnn_handle& handle, std::span<const argument> arguments, void* workspace) const {
        std::vector<std::int64_t> ids;
        std::vector<void*> addresses;
        for (const role r : roles_) {
            const auto found = std::find_if(arguments.begin(), arguments.end(), [r](const argument& a) { return a.what == r; });
            if (found == arguments.end() || found->address == nullptr)
                throw option_error(name_, "an address for " + std::string(cuda::name(r)), "none");
            ids.push_back(static_cast<std::int64_t>(r));
            addresses.push_back(found->address);
        }
        descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
        pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, std::span<const std::int64_t>(ids));
        pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, std::span<void* const>(addresses));
        pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, workspace);
        pack.finalize("the arguments of " + name_);
        const cudnnStatus_t status = cudnn().execute(handle.get(), plan_.handle(), pack.handle());
        if (status != CUDNN_STATUS_SUCCESS) cudnn().check(status, "run " + name_);
    }

private:
    void finish(const device_description& device) {
        plan_.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device.get());
        plan_.finalize("a plan for " + name_);
        workspace_ = plan_.get<std::int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE).at(0);
    }

    std::string name_;
    std::vector<role> roles_;
    descriptor plan_;
    std::int64_t workspace_ = 0;
};

} // namespace umsrep::cuda
