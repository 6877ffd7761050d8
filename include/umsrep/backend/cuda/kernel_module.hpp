// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <unordered_map>

#include <umsrep/backend/cuda/driver.hpp>
#include <umsrep/backend/cuda/nvrtc.hpp>

namespace umsrep::cuda {

/// Compiled kernels in a device's context, which must be current where one is made and destroyed.
class kernel_module {
public:
    /// `names` as the kernels were compiled with.
    kernel_module(const driver_api& api, std::span<const std::string> names, const compiled_kernels& kernels) : api_{&api} {
        if (names.size() != kernels.symbols.size())
            throw device_error("kernels", std::to_string(names.size()) + " symbols", std::to_string(kernels.symbols.size()));
        api.check(api.module_load(&module_, kernels.image.data()), "load kernels");
        for (std::size_t i = 0; i < names.size(); ++i) {
            CUfunction f = nullptr;
            if (const CUresult result = api.module_function(&f, module_, kernels.symbols[i].c_str()); result != CUDA_SUCCESS) {
                api.module_unload(module_);
                api.check(result, "find the kernel " + names[i]);
            }
            functions_.emplace(names[i], f);
        }
    }
    kernel_module(const kernel_module&) = delete;
    kernel_module& operator=(const kernel_module&) = delete;
    ~kernel_module() { api_->module_unload(module_); }

    /// By the name it was compiled with; null where there is none.
    CUfunction find(const std::string& name) const {
        const auto found = functions_.find(name);
        return found == functions_.end() ? nullptr : found->second;
    }

private:
    const driver_api* api_;
    CUmodule module_ = nullptr;
    std::unordered_map<std::string, CUfunction> functions_;
};

} // namespace umsrep::cuda
