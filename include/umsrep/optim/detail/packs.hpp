// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>

#include <Eigen/Core>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace umsrep::optim::detail {

/// Elements that are updated together. Eigen's fixed arrays become vector instructions under every optimising flag; loops over spans
/// that may overlap do so under few.
inline constexpr int pack_size = 16;
template <class T>
using pack = Eigen::Array<T, pack_size, 1>;

/// The pack at `p`, to read or to write; any alignment.
template <class T>
Eigen::Map<const pack<T>> at(const T* p) {
    return Eigen::Map<const pack<T>>{p};
}
template <class T>
Eigen::Map<pack<T>> at(T* p) {
    return Eigen::Map<pack<T>>{p};
}

/// Correctly rounded square roots. Neither a loop of std::sqrt, which may set errno, nor Eigen's, which refines an estimate, is both
/// exact and fast.
template <class T>
pack<T> square_roots(const pack<T>& x) {
    pack<T> result;
#if defined(__SSE2__)
    if constexpr (sizeof(T) == sizeof(float))
        for (int i = 0; i < pack_size; i += 4) _mm_store_ps(result.data() + i, _mm_sqrt_ps(_mm_load_ps(x.data() + i)));
    else
        for (int i = 0; i < pack_size; i += 2) _mm_store_pd(result.data() + i, _mm_sqrt_pd(_mm_load_pd(x.data() + i)));
#else
    for (int i = 0; i < pack_size; ++i) result[i] = std::sqrt(x[i]);
#endif
    return result;
}

/// `body(w, g, state)`, pointers to a pack each, over whole arrays of one length; the last pack is filled up with zeros in a copy, so
/// that every element is computed by the same instructions.
template <class T, std::size_t Moments, class Body>
void for_packs(std::span<T> w, std::span<const T> g, const std::array<std::span<T>, Moments>& state, Body body) {
    for (std::size_t i = 0; i < w.size(); i += pack_size) {
        const std::size_t count = std::min<std::size_t>(pack_size, w.size() - i);
        T* parameters = w.data() + i;
        const T* gradient = g.data() + i;
        std::array<T*, Moments> moments;
        for (std::size_t k = 0; k < Moments; ++k) moments[k] = state[k].data() + i;
        if (count == pack_size) {
            body(parameters, gradient, moments);
            continue;
        }
        std::array<pack<T>, Moments + 2> copy;
        for (pack<T>& c : copy) c.setZero();
        std::copy_n(parameters, count, copy[0].data());
        std::copy_n(gradient, count, copy[1].data());
        std::array<T*, Moments> copied;
        for (std::size_t k = 0; k < Moments; ++k) copied[k] = std::copy_n(moments[k], count, copy[k + 2].data()) - count;
        body(copy[0].data(), copy[1].data(), copied);
        std::copy_n(copy[0].data(), count, parameters);
        for (std::size_t k = 0; k < Moments; ++k) std::copy_n(copied[k], count, moments[k]);
    }
}

} // namespace umsrep::optim::detail
