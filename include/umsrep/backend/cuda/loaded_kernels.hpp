// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <umsrep/backend/cuda/device.hpp>
#include <umsrep/backend/cuda/kernel_cache.hpp>
#include <umsrep/backend/cuda/kernel_launch.hpp>
#include <umsrep/backend/cuda/kernel_module.hpp>

namespace umsrep::cuda {

/// The kernels of a device that are loaded so far. Those that are missing are taken from the cache, or compiled.
class loaded_kernels {
public:
    explicit loaded_kernels(std::shared_ptr<const device> d, kernel_cache cache = kernel_cache{})
        : device_{std::move(d)},
          cache_{std::move(cache)},
          architecture_{device_->architecture()},
          multiprocessors_{device_->attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)} {}
    loaded_kernels(const loaded_kernels&) = delete;
    loaded_kernels& operator=(const loaded_kernels&) = delete;
    ~loaded_kernels() { driver().context_set(device_->context()); } // where its modules are

    /// Loads those of these names that are missing, as one set. Throws cuda_error where they do not compile.
    void load(const std::set<std::string>& names) {
        std::vector<std::string> missing;
        for (const std::string& name : names)
            if (find(name) == nullptr) missing.push_back(name);
        if (missing.empty()) return;
        const kernel_cache::result compiled = cache_.get(nvrtc(), missing, architecture_);
        problem_ = compiled.problem;
        device_->use();
        modules_.push_back(std::make_unique<kernel_module>(driver(), missing, compiled.kernels));
    }

    /// Why kernels could not be kept on disk, or empty.
    const std::string& problem() const { return problem_; }

    /// Runs a body in the queue compute. `may_load`: a kernel that is missing is loaded now; else it is a device_error.
    template <class Body>
    void launch(const Body& body, bool may_load) {
        const launch_shape shape = shape_of(body, multiprocessors_);
        if (shape.blocks == 0) return;
        Body argument = body; // the driver takes arguments by pointers to what is not const
        void* arguments[] = {&argument};
        const CUresult result = driver().launch_kernel(function<Body>(may_load), shape.blocks, 1, 1, shape.threads_x, shape.threads_y, 1, 0,
                                                       device_->stream(), arguments, nullptr);
        if (result != CUDA_SUCCESS) driver().check(result, "launch " + kernel_name<Body>());
    }

private:
    /// Its address stands for the kernel of a body: a look-up by it costs less than one by name.
    template <class Body>
    static inline char tag_ = 0;

    CUfunction find(const std::string& name) const {
        for (const auto& m : modules_)
            if (const CUfunction f = m->find(name); f != nullptr) return f;
        return nullptr;
    }

    template <class Body>
    CUfunction function(bool may_load) {
        CUfunction& f = by_tag_[&tag_<Body>];
        if (f != nullptr) return f;
        const std::string name = kernel_name<Body>();
        if (find(name) == nullptr) {
            if (!may_load) throw device_error("kernel " + name, "one that was loaded before work was captured", "none of that name");
            load({name});
        }
        return f = find(name);
    }

    std::shared_ptr<const device> device_;
    kernel_cache cache_;
    int architecture_, multiprocessors_;
    std::vector<std::unique_ptr<kernel_module>> modules_;
    std::unordered_map<const void*, CUfunction> by_tag_;
    std::string problem_;
};

} // namespace umsrep::cuda
