// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/base.cuh>

namespace umsrep::cuda::kernel {

/// How activations are stored besides float. All arithmetic is in float; conversions round to nearest, ties to even.
struct bf16 {
    unsigned short bits;
};
struct fp16 {
    unsigned short bits;
};

UMSREP_DEVICE inline u32 bits_of(float x) { return __builtin_bit_cast(u32, x); }
UMSREP_DEVICE inline float float_of(u32 bits) { return __builtin_bit_cast(float, bits); }

/// A number as T; `number<T>::from(x)` is the T nearest to x.
template <class T>
struct number;

template <>
struct number<float> {
    UMSREP_DEVICE static float to_float(float x) { return x; }
    UMSREP_DEVICE static float from(float x) { return x; }
};

template <>
struct number<bf16> {
    UMSREP_DEVICE static float to_float(bf16 x) { return float_of(static_cast<u32>(x.bits) << 16); }
    UMSREP_DEVICE static bf16 from(float x) {
        const u32 bits = bits_of(x);
        const bool nan = (bits & 0x7fffffffu) > 0x7f800000u; // rounding must not carry it into infinity
        const u32 rounded = nan ? bits | 0x00400000u : bits + 0x7fffu + ((bits >> 16) & 1u);
        return {static_cast<unsigned short>(rounded >> 16)};
    }
};

template <>
struct number<fp16> {
    UMSREP_DEVICE static float to_float(fp16 x) {
#if defined(__CUDA_ARCH__)
        float result;
        asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(x.bits));
        return result;
#else
        const u32 sign = static_cast<u32>(x.bits & 0x8000u) << 16, rest = x.bits & 0x7fffu;
        if (rest >= 0x7c00u) return float_of(sign | 0x7f800000u | ((rest & 0x3ffu) << 13)); // infinity, NaN
        if (rest >= 0x0400u) return float_of(sign | ((rest << 13) + ((127u - 15u) << 23)));
        const float subnormal = static_cast<float>(rest) * 0x1p-24f;
        return sign != 0 ? -subnormal : subnormal;
#endif
    }
    UMSREP_DEVICE static fp16 from(float x) {
#if defined(__CUDA_ARCH__)
        fp16 result;
        asm("cvt.rn.f16.f32 %0, %1;" : "=h"(result.bits) : "f"(x));
        return result;
#else
        const u32 bits = bits_of(x), sign = (bits >> 16) & 0x8000u, size = bits & 0x7fffffffu;
        u32 rest;
        if (size > 0x7f800000u) rest = 0x7e00u;                                                  // NaN
        else if (size >= 0x477ff000u) rest = 0x7c00u;                                            // 65520 and more: infinity
        else if (size >= 0x38800000u) rest = (size - ((127u - 15u) << 23) + 0xfffu + ((size >> 13) & 1u)) >> 13;
        else rest = bits_of(float_of(size) + 0.5f) - 0x3f000000u; // below 2^-14: the sum's last bit is 2^-24, as a subnormal's is
        return {static_cast<unsigned short>(sign | rest)};
#endif
    }
};

template <class T>
UMSREP_DEVICE float to_float(T x) {
    return number<T>::to_float(x);
}

/// For sums, which are in double: of a term, and to where a sum is kept.
template <class T>
UMSREP_DEVICE double to_double(T x) {
    return number<T>::to_float(x);
}
UMSREP_DEVICE inline double to_double(double x) { return x; }
UMSREP_DEVICE inline void put(double x, double& to) { to = x; }
template <class T>
UMSREP_DEVICE void put(double x, T& to) {
    to = number<T>::from(static_cast<float>(x));
}

/// n values that a thread works on together.
template <int n>
struct values {
    float at[n];
};

/// n elements as one access to memory; the address must be a multiple of its size.
template <class T, int n>
struct alignas(n * sizeof(T)) pack {
    T at[n];
};

template <int n, class T>
UMSREP_DEVICE values<n> load(const T* from) {
    const pack<T, n> stored = *reinterpret_cast<const pack<T, n>*>(from);
    values<n> result;
    for (int k = 0; k < n; ++k) result.at[k] = number<T>::to_float(stored.at[k]);
    return result;
}

/// `add`: to what is there.
template <int n, class T>
UMSREP_DEVICE void store(T* to, const values<n>& x, bool add = false) {
    pack<T, n>& place = *reinterpret_cast<pack<T, n>*>(to);
    pack<T, n> stored;
    if (add) stored = place;
    for (int k = 0; k < n; ++k) stored.at[k] = number<T>::from(add ? number<T>::to_float(stored.at[k]) + x.at[k] : x.at[k]);
    place = stored;
}

} // namespace umsrep::cuda::kernel
