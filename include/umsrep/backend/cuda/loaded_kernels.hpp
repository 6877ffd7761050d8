// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <umsrep/backend/cuda/device.hpp>
#include <umsrep/backend/cuda/kernel_cache.hpp>
#include <umsrep/backend/cuda/kernel_module.hpp>

namespace umsrep::cuda {

/// The kernels of a device that are loaded so far. Those that are missing are taken from the cache, or compiled. Any thread may use it.
class loaded_kernels {
public:
    explicit loaded_kernels(int device, kernel_cache cache = kernel_cache{})
        : context_{device},
          cache_{std::move(cache)},
          architecture_{context_.architecture()},
          multiprocessors_{context_.attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)} {}
    loaded_kernels(const loaded_kernels&) = delete;
    loaded_kernels& operator=(const loaded_kernels&) = delete;
    ~loaded_kernels() { driver().context_set(context_.get()); } // where its modules are

    /// Those of a device, for all models of this process there: each kernel is compiled and loaded once. They go with the last model.
    static std::shared_ptr<loaded_kernels> of(int device) {
        static std::mutex one_at_a_time;
        static std::map<int, std::weak_ptr<loaded_kernels>> of_device;
        const std::lock_guard lock(one_at_a_time);
        std::weak_ptr<loaded_kernels>& known = of_device[device];
        std::shared_ptr<loaded_kernels> kernels = known.lock();
        if (!kernels) known = kernels = std::make_shared<loaded_kernels>(device);
        return kernels;
    }

    /// Loads those of these names that are missing, as one set. Throws cuda_error where they do not compile.
    void load(const std::set<std::string>& names) {
        const std::lock_guard lock(mutex_);
        std::vector<std::string> missing;
        for (const std::string& name : names)
            if (known(name) == nullptr) missing.push_back(name);
        if (missing.empty()) return;
        const kernel_cache::result compiled = cache_.get(nvrtc(), missing, architecture_);
        problem_ = compiled.problem;
        context_.use();
        modules_.push_back(std::make_unique<kernel_module>(driver(), missing, compiled.kernels));
    }
    /// Null where it was not loaded.
    CUfunction find(const std::string& name) const {
        const std::lock_guard lock(mutex_);
        return known(name);
    }

    /// Why kernels could not be kept on disk, or empty.
    std::string problem() const {
        const std::lock_guard lock(mutex_);
        return problem_;
    }
    int multiprocessors() const { return multiprocessors_; }

private:
    CUfunction known(const std::string& name) const {
        for (const auto& m : modules_)
            if (const CUfunction f = m->find(name); f != nullptr) return f;
        return nullptr;
    }

    primary_context context_;
    kernel_cache cache_;
    int architecture_, multiprocessors_;
    mutable std::mutex mutex_;
    std::vector<std::unique_ptr<kernel_module>> modules_;
    std::string problem_;
};

} // namespace umsrep::cuda
