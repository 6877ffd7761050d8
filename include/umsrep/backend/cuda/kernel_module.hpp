// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <umsrep/backend/cuda/driver.hpp>
#include <umsrep/backend/cuda/kernel_launch.hpp>
#include <umsrep/backend/cuda/nvrtc.hpp>

namespace umsrep::cuda {

/// Compiled kernels in a device's context, ready to be launched. The context must be current where one is made, used and destroyed.
class kernel_module {
public:
    /// `names` as the kernels were compiled with.
    kernel_module(const driver_api& api, std::span<const std::string> names, const compiled_kernels& kernels, int multiprocessors)
        : api_{&api}, multiprocessors_{multiprocessors} {
        if (names.size() != kernels.symbols.size())
            throw device_error("kernels", std::to_string(names.size()) + " symbols", std::to_string(kernels.symbols.size()));
        api.check(api.module_load(&module_, kernels.image.data()), "load kernels");
        functions_.reserve(names.size());
        for (std::size_t i = 0; i < names.size(); ++i) {
            CUfunction f = nullptr;
            if (const CUresult result = api.module_function(&f, module_, kernels.symbols[i].c_str()); result != CUDA_SUCCESS) {
                api.module_unload(module_);
                api.check(result, "find the kernel " + names[i]);
            }
            functions_.emplace_back(names[i], f);
        }
    }
    kernel_module(const kernel_module&) = delete;
    kernel_module& operator=(const kernel_module&) = delete;
    ~kernel_module() { api_->module_unload(module_); }

    /// Runs a body on a stream. Throws device_error for one that was not compiled.
    template <class Body>
    void launch(const Body& body, CUstream stream) const {
        const launch_shape shape = shape_of(body, multiprocessors_);
        if (shape.blocks == 0) return;
        Body argument = body; // the driver takes arguments by pointers to what is not const
        void* arguments[] = {&argument};
        const std::string name = kernel_name<Body>();
        const CUresult result = api_->launch_kernel(function(name), shape.blocks, 1, 1, shape.threads_x, shape.threads_y, 1, 0, stream,
                                                    arguments, nullptr);
        api_->check(result, "launch " + name);
    }

private:
    CUfunction function(const std::string& name) const {
        const auto found = std::find_if(functions_.begin(), functions_.end(), [&](const auto& f) { return f.first == name; });
        if (found == functions_.end()) throw device_error("kernel " + name, "one that was compiled for this module", "none of that name");
        return found->second;
    }

    const driver_api* api_;
    int multiprocessors_;
    CUmodule module_ = nullptr;
    std::vector<std::pair<std::string, CUfunction>> functions_;
};

} // namespace umsrep::cuda
