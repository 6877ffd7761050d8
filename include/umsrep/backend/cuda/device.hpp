// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <umsrep/backend/cuda/available.hpp>

namespace umsrep::cuda {

/// A device does what it is told in order, in two queues that go on side by side.
enum class queue : std::uint8_t {
    compute,
    copies, ///< what shall be on its way while something else is computed; an event orders the two
};

/// The primary context of a device, kept in use. The driver has one for each device and process, which everything there shares. Any thread
/// may use it. Throws device_error with the reason where the backend cannot compute on the device.
class primary_context {
public:
    explicit primary_context(int device = 0) : index_{device} {
        if (const availability a = available(device); !a) throw device_error(a.reason);
        driver().check(driver().device_get(&number_, device), "find the device");
        driver().check(driver().context_retain(&context_, number_), "make a context");
    }
    primary_context(const primary_context&) = delete;
    primary_context& operator=(const primary_context&) = delete;
    ~primary_context() { driver().context_release(number_); }

    /// Makes it current in the thread that calls: contexts are current thread by thread. Called before anything of the device is.
    void use() const { driver().check(driver().context_set(context_), "use the context"); }

    CUcontext get() const { return context_; }
    int device() const { return index_; }
    int attribute(CUdevice_attribute which) const {
        int value = 0;
        driver().check(driver().device_attribute(&value, which, number_), "ask the device for an attribute");
        return value;
    }
    /// 90: compute capability 9.0.
    int architecture() const {
        return 10 * attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) + attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    }

private:
    int index_;
    CUdevice number_ = 0;
    CUcontext context_ = nullptr;
};

/// A device of this machine, in use by one model: a stream for each queue, and how much memory it holds there. Any thread may use it, one at
/// a time. Throws device_error with the reason where the backend cannot compute on it.
class device {
public:
    explicit device(int number = 0) : context_{number} {
        try {
            use();
            for (CUstream& s : streams_) driver().check(driver().stream_create(&s, CU_STREAM_NON_BLOCKING), "make a stream");
        } catch (const cuda_error&) {
            release();
            throw;
        }
    }
    device(const device&) = delete;
    device& operator=(const device&) = delete;
    ~device() { release(); }

    void use() const { context_.use(); }
    CUcontext context() const { return context_.get(); }
    int number() const { return context_.device(); }
    CUstream stream(queue q = queue::compute) const { return streams_[static_cast<std::size_t>(q)]; }

    /// Bytes of its memory that are held through this.
    std::size_t held() const { return held_; }
    void hold(std::size_t bytes) const { held_ += bytes; }
    void let_go(std::size_t bytes) const { held_ -= bytes; }

    /// Waits until all is done that its queues were given. Throws cuda_error, of an earlier kernel's failure too.
    void synchronize() const {
        use();
        for (const CUstream s : streams_) driver().check(driver().stream_synchronize(s), "wait for the device");
    }

private:
    void release() noexcept {
        driver().context_set(context());
        for (const CUstream s : streams_)
            if (s != nullptr) driver().stream_destroy(s);
    }

    primary_context context_;
    std::array<CUstream, 2> streams_{};
    mutable std::atomic<std::size_t> held_ = 0; // memory may go in another thread
};

/// Memory of a device, which it keeps in use. Throws cuda_error that says how much is wanted and how much is left where there is not enough.
class device_memory {
public:
    device_memory() = default;
    device_memory(std::shared_ptr<const device> d, std::size_t bytes) : device_{std::move(d)}, bytes_{bytes} {
        if (bytes == 0) return;
        device_->use();
        const driver_api& api = driver();
        const CUresult result = api.allocate(&address_, bytes);
        std::size_t left = 0, all = 0;
        std::string said;
        if (result == CUDA_ERROR_OUT_OF_MEMORY && api.memory_left(&left, &all) == CUDA_SUCCESS)
            said = ", of " + std::to_string(left) + " that are free (" + std::to_string(all) + " in all)";
        if (result != CUDA_SUCCESS) api.check(result, "allocate " + std::to_string(bytes) + " bytes" + said);
        device_->hold(bytes);
    }
    device_memory(device_memory&& other) noexcept
        : device_{std::move(other.device_)}, address_{std::exchange(other.address_, 0)}, bytes_{std::exchange(other.bytes_, 0)} {}
    device_memory& operator=(device_memory&& other) noexcept {
        std::swap(device_, other.device_);
        std::swap(address_, other.address_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    /// Waits for the device before it gives the memory back, as cuMemFree does.
    ~device_memory() {
        if (address_ == 0) return;
        driver().context_set(device_->context());
        driver().free(address_);
        device_->let_go(bytes_);
    }

    std::size_t bytes() const { return bytes_; }
    void* address() const { return reinterpret_cast<void*>(address_); }

private:
    std::shared_ptr<const device> device_;
    CUdeviceptr address_ = 0;
    std::size_t bytes_ = 0;
};

/// Memory of the host that a device copies from and to by itself ("pinned"): its copies hold nobody up. Throws cuda_error.
class pinned_memory {
public:
    pinned_memory() = default;
    pinned_memory(std::shared_ptr<const device> d, std::size_t bytes) : device_{std::move(d)}, bytes_{bytes} {
        if (bytes == 0) return;
        device_->use();
        driver().check(driver().allocate_on_host(&address_, bytes, 0), "allocate " + std::to_string(bytes) + " bytes of the host's memory");
    }
    pinned_memory(pinned_memory&& other) noexcept
        : device_{std::move(other.device_)}, address_{std::exchange(other.address_, nullptr)}, bytes_{std::exchange(other.bytes_, 0)} {}
    pinned_memory& operator=(pinned_memory&& other) noexcept {
        std::swap(device_, other.device_);
        std::swap(address_, other.address_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~pinned_memory() {
        if (address_ == nullptr) return;
        driver().context_set(device_->context());
        driver().free_on_host(address_);
    }

    std::size_t bytes() const { return bytes_; }
    void* address() const { return address_; }

private:
    std::shared_ptr<const device> device_;
    void* address_ = nullptr;
    std::size_t bytes_ = 0;
};

/// A point in a queue that others wait for.
class device_event {
public:
    /// `flags`: CU_EVENT_DEFAULT for one that is a point in time, too.
    explicit device_event(std::shared_ptr<const device> d, unsigned flags = CU_EVENT_DISABLE_TIMING) : device_{std::move(d)} {
        device_->use();
        driver().check(driver().event_create(&event_, flags), "make an event");
    }
    device_event(device_event&& other) noexcept : device_{std::move(other.device_)}, event_{std::exchange(other.event_, nullptr)} {}
    device_event& operator=(device_event&& other) noexcept {
        std::swap(device_, other.device_);
        std::swap(event_, other.event_);
        return *this;
    }
    ~device_event() {
        if (event_ == nullptr) return;
        driver().context_set(device_->context());
        driver().event_destroy(event_);
    }

    CUevent get() const { return event_; }

private:
    std::shared_ptr<const device> device_;
    CUevent event_ = nullptr;
};

/// What a queue was given once, to be done again as a whole: a CUDA graph.
class captured_work {
public:
    captured_work() = default;
    captured_work(std::shared_ptr<const device> d, CUgraph graph) : device_{std::move(d)} {
        const CUresult result = driver().graph_instantiate(&instance_, graph, 0);
        driver().graph_destroy(graph);
        driver().check(result, "make a CUDA graph ready");
    }
    captured_work(captured_work&& other) noexcept : device_{std::move(other.device_)}, instance_{std::exchange(other.instance_, nullptr)} {}
    captured_work& operator=(captured_work&& other) noexcept {
        std::swap(device_, other.device_);
        std::swap(instance_, other.instance_);
        return *this;
    }
    ~captured_work() {
        if (instance_ == nullptr) return;
        driver().context_set(device_->context());
        driver().instance_destroy(instance_);
    }

    explicit operator bool() const { return instance_ != nullptr; }
    CUgraphExec get() const { return instance_; }

private:
    std::shared_ptr<const device> device_;
    CUgraphExec instance_ = nullptr;
};

} // namespace umsrep::cuda
