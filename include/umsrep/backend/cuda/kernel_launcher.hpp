// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include <umsrep/backend/cuda/kernel_launch.hpp>
#include <umsrep/backend/cuda/loaded_kernels.hpp>

namespace umsrep::cuda {

/// Gives a model's queue kernels of its device. One thread at a time.
class kernel_launcher {
public:
    explicit kernel_launcher(std::shared_ptr<const device> d) : device_{std::move(d)}, kernels_{loaded_kernels::of(device_->number())} {}

    loaded_kernels& kernels() const { return *kernels_; }

    /// Runs a body in the queue compute. `may_load`: a kernel that is missing is loaded now; else it is a device_error.
    template <class Body>
    void launch(const Body& body, bool may_load) {
        const launch_shape shape = shape_of(body, kernels_->multiprocessors());
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

    template <class Body>
    CUfunction function(bool may_load) {
        CUfunction& f = by_tag_[&tag_<Body>];
        if (f != nullptr) return f;
        const std::string name = kernel_name<Body>();
        if (kernels_->find(name) == nullptr) {
            if (!may_load) throw device_error("kernel " + name, "one that was loaded before work was captured", "none of that name");
            kernels_->load({name});
            device_->use();
        }
        return f = kernels_->find(name);
    }

    std::shared_ptr<const device> device_;
    std::shared_ptr<loaded_kernels> kernels_;
    std::unordered_map<const void*, CUfunction> by_tag_;
};

} // namespace umsrep::cuda
