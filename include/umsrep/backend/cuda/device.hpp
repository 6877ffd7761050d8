// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include <umsrep/backend/cuda/available.hpp>

namespace umsrep::cuda {

/// A device of this machine, in use: its primary context, current in the thread that made it, and a stream. Throws device_error with the
/// reason where the backend cannot compute on it.
class device {
public:
    explicit device(int number = 0) {
        if (const availability a = available(number); !a) throw device_error(a.reason);
        const driver_api& api = driver();
        api.check(api.device_get(&number_, number), "find the device");
        api.check(api.context_retain(&context_, number_), "make a context");
        try {
            api.check(api.context_set(context_), "use the context");
            api.check(api.stream_create(&stream_, CU_STREAM_NON_BLOCKING), "make a stream");
        } catch (const cuda_error&) {
            api.context_release(number_);
            throw;
        }
    }
    device(const device&) = delete;
    device& operator=(const device&) = delete;
    ~device() {
        driver().stream_destroy(stream_);
        driver().context_release(number_);
    }

    CUstream stream() const { return stream_; }
    /// Waits until all is done that the stream was given. Throws cuda_error, of an earlier kernel's failure too.
    void synchronize() const { driver().check(driver().stream_synchronize(stream_), "wait for the device"); }

private:
    CUdevice number_ = 0;
    CUcontext context_ = nullptr;
    CUstream stream_ = nullptr;
};

/// Memory of the device whose context is current. Throws cuda_error where there is not enough.
class device_memory {
public:
    explicit device_memory(std::size_t bytes) : bytes_{bytes} {
        if (bytes > 0) driver().check(driver().allocate(&address_, bytes), "allocate " + std::to_string(bytes) + " bytes");
    }
    device_memory(device_memory&& other) noexcept : address_{std::exchange(other.address_, 0)}, bytes_{std::exchange(other.bytes_, 0)} {}
    device_memory& operator=(device_memory&& other) noexcept {
        std::swap(address_, other.address_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~device_memory() {
        if (address_ != 0) driver().free(address_);
    }

    std::size_t bytes() const { return bytes_; }
    void* address() const { return reinterpret_cast<void*>(address_); }

    /// Starts a copy of all its bytes from or to the host.
    void read_from(const void* host, const device& d) {
        driver().check(driver().copy_to_device(address_, host, bytes_, d.stream()), "copy to the device");
    }
    void write_to(void* host, const device& d) const {
        driver().check(driver().copy_to_host(host, address_, bytes_, d.stream()), "copy to the host");
    }

private:
    CUdeviceptr address_ = 0;
    std::size_t bytes_ = 0;
};

} // namespace umsrep::cuda
