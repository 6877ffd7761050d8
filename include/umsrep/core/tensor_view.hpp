// SPDX-License-Identifier: MIT
#pragma once

#include <cassert>
#include <cstddef>
#include <type_traits>

#include <umsrep/core/shape.hpp>

namespace umsrep {

/// A batch of `n` samples in memory, N, C, H, W, dense and row-major; does not own. `data == nullptr` means "not there".
template <class T>
struct tensor_view {
    T* data = nullptr;
    int n = 0;
    shape s{};

    constexpr tensor_view() = default;
    constexpr tensor_view(T* first, int batch, shape sample) : data{first}, n{batch}, s{sample} {}
    template <class U>
        requires std::is_same_v<T, const U>
    constexpr tensor_view(const tensor_view<U>& other) : data{other.data}, n{other.n}, s{other.s} {}

    constexpr explicit operator bool() const { return data != nullptr; }
    constexpr std::ptrdiff_t size() const { return n * s.size(); }
    constexpr T* begin() const { return data; }
    constexpr T* end() const { return data + size(); }

    /// First element of sample `i`, or of one of its channels.
    constexpr T* sample(int i) const { return data + i * s.size(); }
    constexpr T* plane(int i, int c) const { return data + i * s.size() + c * s.plane(); }
    constexpr T& operator()(int i, int c, int y, int x) const {
        assert(i >= 0 && i < n && c >= 0 && c < s.c && y >= 0 && y < s.h && x >= 0 && x < s.w);
        return plane(i, c)[std::ptrdiff_t{y} * s.w + x];
    }
};

} // namespace umsrep
