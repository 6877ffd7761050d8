// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace umsrep::cuda {

/// Memory of a device, laid out by the very code that uses it. That code runs twice: first on nothing (in a machine's `rehearse`), which
/// finds out how much it takes and which constants it reads; then on memory of that size. It must take the same both times.
class arranged_memory {
public:
    /// Begins again, on `address`, of at least `bytes()` bytes; null: only to find out.
    void begin(void* address) {
        address_ = static_cast<std::byte*>(address);
        used_ = 0;
        constants_.clear();
    }
    /// What was taken since `begin`.
    std::size_t bytes() const { return used_; }

    /// Room for `count` values, on a boundary of 256 bytes. What it holds means nothing.
    template <class T>
    T* take(std::size_t count) {
        std::byte* const here = address_ + used_; // of a null pointer, too: then nobody reads or writes there
        used_ += (count * sizeof(T) + 255) / 256 * 256;
        return reinterpret_cast<T*>(here);
    }

    /// Numbers of the host that kernels read; null for none. `upload` puts them there.
    const float* constant(std::span<const double> values) {
        if (values.empty()) return nullptr;
        float* const there = take<float>(values.size());
        constants_.push_back({there, {values.begin(), values.end()}});
        return there;
    }
    /// Copies all constants to where they are read. Waits until they are there.
    template <class Machine>
    void upload(Machine& m) const {
        for (const kept& c : constants_) m.upload(c.there, c.values.data(), c.values.size() * sizeof(float));
        m.synchronize();
    }

private:
    struct kept {
        float* there;
        std::vector<float> values;
    };

    std::byte* address_ = nullptr;
    std::size_t used_ = 0;
    std::vector<kept> constants_;
};

} // namespace umsrep::cuda
