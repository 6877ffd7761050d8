// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>

#include <umsrep/backend/cuda/kernel/view.cuh>
#include <umsrep/backend/cuda/layout.hpp>
#include <umsrep/core/error.hpp>

namespace umsrep::cuda {

/// The type that elements of an activation have in kernels.
template <precision P>
using stored_type = std::conditional_t<P == precision::bf16, kernel::bf16, std::conditional_t<P == precision::fp16, kernel::fp16, float>>;

/// Images in a device's memory, as kernels take them.
template <class T>
struct device_image {
    kernel::extents e{};
    kernel::pixels<T> p{};

    explicit operator bool() const { return p.data != nullptr; }
    operator device_image<const T>() const { return {e, {p.data, p.stride}}; }
    operator kernel::pixels<const T>() const { return {p.data, p.stride}; }
};

inline kernel::extents extents_of(int n, shape s) {
    const auto u = [](int v) { return static_cast<kernel::u32>(v); };
    return {u(n), u(s.h), u(s.w), u(s.c)};
}

/// Where an activation lies: at an address, `pitch` elements from pixel to pixel where it is a slice of wider ones; 0: by itself.
struct activation_place {
    void* address = nullptr;
    int pitch = 0;

    activation_place(void* a = nullptr, int p = 0) : address{a}, pitch{p} {}
    explicit operator bool() const { return address != nullptr; }
    friend bool operator==(const activation_place&, const activation_place&) = default;
};

/// An activation at a place: its own channels, with the room behind them stepped over.
template <class T>
device_image<T> image_at(const activation_place& at, int n, shape s) {
    return {extents_of(n, s), {static_cast<T*>(at.address), at.pitch > 0 ? at.pitch : stored_channels(s.c)}};
}
/// The same with the room as channels, for what keeps channels apart: they can be taken eight at a time.
template <class T>
device_image<T> whole_image_at(const activation_place& at, int n, shape s) {
    return image_at<T>(at, n, {stored_channels(s.c), s.h, s.w});
}
/// The same as one long row, for what works on elements. Throws shape_mismatch where kernels could not count them.
template <class T>
device_image<T> elements_at(void* address, int n, shape s) {
    constexpr std::int64_t limit = (std::int64_t{1} << 32) - 1;
    const std::int64_t size = n * stored_elements(s);
    if (size > limit)
        throw shape_mismatch("cuda: an activation", "at most " + std::to_string(limit) + " elements", std::to_string(size));
    return {{1, 1, 1, static_cast<kernel::u32>(size)}, {static_cast<T*>(address), size}};
}

/// Calls f with how many channels can be taken at a time: std::integral_constant of 8 or 1.
template <class F>
void with_pack(bool eight, F f) {
    if (eight) f(std::integral_constant<int, 8>{});
    else f(std::integral_constant<int, 1>{});
}

} // namespace umsrep::cuda
