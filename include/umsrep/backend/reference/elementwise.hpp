// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include <Eigen/Core>

namespace umsrep::reference_ops {

/// Sixteen elements, computed together. Eigen vectorises this fixed size whatever the compiler's flags, and, unlike a loop over an
/// array of run-time length, always in the same way: every element takes the vector path, whatever the alignment of its address
/// and its distance from the end. So equal inputs give equal bits wherever they lie.
template <class T>
using pack = Eigen::Array<T, 16, 1>;

inline constexpr std::ptrdiff_t pack_size = 16;

/// The first `count` <= 16 elements at `from`, the rest zero.
template <class T>
pack<T> load(const T* from, std::ptrdiff_t count = pack_size) {
    if (count >= pack_size) return Eigen::Map<const pack<T>>(from);
    pack<T> result = pack<T>::Zero();
    std::copy_n(from, count, result.data());
    return result;
}

template <class T>
void store(const pack<T>& values, T* to, std::ptrdiff_t count = pack_size) {
    if (count >= pack_size) Eigen::Map<pack<T>>{to} = values;
    else std::copy_n(values.data(), count, to);
}

/// f applied to each element: for what has no packet operation in Eigen (choices, erf). A loop of this fixed length is one that
/// compilers vectorise even at -O2.
template <class F, class X, class... More>
pack<typename X::Scalar> each(F f, const X& x, const More&... more) {
    pack<typename X::Scalar> result;
    for (std::ptrdiff_t j = 0; j < pack_size; ++j) result.data()[j] = f(x.data()[j], more.data()[j]...);
    return result;
}

/// out[i] = f(in[i]...) for i in [0, size), or out[i] += with `add`. `f` maps packs to an Eigen expression. An input may be `out`.
template <class T, class F, class... In>
void map_elements(std::ptrdiff_t size, bool add, T* out, F f, const In*... in) {
    const auto at = [&](std::ptrdiff_t i) {
        Eigen::Map<pack<T>> to(out + i);
        if (add) to += f(Eigen::Map<const pack<In>>(in + i)...);
        else to = f(Eigen::Map<const pack<In>>(in + i)...);
    };
    std::ptrdiff_t i = 0;
    for (; i + pack_size <= size; i += pack_size) at(i);
    if (i == size) return;
    const auto tail = [&](const auto&... held) { return pack<T>(f(Eigen::Map<const pack<In>>(held.data())...)); };
    pack<T> last = tail(load(in + i, size - i)...);
    if (add) last += load(out + i, size - i);
    store(last, out + i, size - i);
}

/// The type sums are kept in: float sums over a whole batch would lose digits.
template <class T>
using wide = std::conditional_t<std::is_same_v<T, float>, double, T>;

/// Sum over i in [0, size) of f(in[i]...), in a fixed order: packs within blocks of `block` elements, blocks in the wide type.
template <class F, class T, class... In>
wide<T> sum_elements(std::ptrdiff_t size, F f, const T* first, const In*... in) {
    constexpr std::ptrdiff_t block = 1024;
    wide<T> total = 0;
    for (std::ptrdiff_t begin = 0; begin < size; begin += block) {
        const std::ptrdiff_t end = std::min(begin + block, size);
        pack<T> partial = pack<T>::Zero();
        std::ptrdiff_t i = begin;
        for (; i + pack_size <= end; i += pack_size)
            partial += f(Eigen::Map<const pack<T>>(first + i), Eigen::Map<const pack<In>>(in + i)...);
        if (i < end) {
            // f of a padding zero need not be zero, so the padding is left out after f.
            const auto tail = [&](const auto&... held) { return pack<T>(f(Eigen::Map<const pack<T>>(held.data())...)); };
            const pack<T> last = tail(load(first + i, end - i), load(in + i, end - i)...);
            for (std::ptrdiff_t j = 0; j < end - i; ++j) partial[j] += last[j];
        }
        for (std::ptrdiff_t j = 0; j < pack_size; ++j) total += static_cast<wide<T>>(partial[j]);
    }
    return total;
}

template <class T>
wide<T> sum(std::ptrdiff_t size, const T* x) {
    return sum_elements(size, [](auto v) { return v; }, x);
}

/// The inner product of two short vectors.
template <class T>
wide<T> dot(std::ptrdiff_t size, const T* x, const T* y) {
    pack<T> partial = pack<T>::Zero();
    std::ptrdiff_t i = 0;
    for (; i + pack_size <= size; i += pack_size) partial += Eigen::Map<const pack<T>>(x + i) * Eigen::Map<const pack<T>>(y + i);
    for (std::ptrdiff_t j = 0; i < size; ++i, ++j) partial.data()[j] += x[i] * y[i];
    wide<T> total = 0;
    for (std::ptrdiff_t j = 0; j < pack_size; ++j) total += static_cast<wide<T>>(partial.data()[j]);
    return total;
}

/// y += a x
template <class T>
void axpy(std::ptrdiff_t size, T a, const T* x, T* y) {
    std::ptrdiff_t i = 0;
    for (; i + pack_size <= size; i += pack_size) Eigen::Map<pack<T>>{y + i} += a * Eigen::Map<const pack<T>>(x + i);
    for (; i < size; ++i) y[i] += a * x[i];
}

} // namespace umsrep::reference_ops
