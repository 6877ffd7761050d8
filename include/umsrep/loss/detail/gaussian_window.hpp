// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstddef>

namespace umsrep::loss::detail {

inline constexpr int ssim_window = 11;
using window_rows = std::array<const double*, ssim_window>;

/// The Gaussian of sigma 1.5 on 11 taps, sum 1.
inline const std::array<double, ssim_window>& ssim_taps() {
    static const auto taps = [] {
        std::array<double, ssim_window> g{};
        double sum = 0.0;
        for (int k = 0; k < ssim_window; ++k) {
            const double d = (k - ssim_window / 2) / 1.5;
            sum += g[static_cast<std::size_t>(k)] = std::exp(-0.5 * d * d);
        }
        for (double& tap : g) tap /= sum;
        return g;
    }();
    return taps;
}

/// Doubles computed together, as they lie in memory, at any address. Two are SSE2's and NEON's vector, four AVX's. (Types of vectors as
/// arguments of templates would lose their alignment, functions that return them would need the instructions of their caller.)
struct one_double {
    typedef double in_memory;
    static constexpr std::ptrdiff_t size = 1;
    __attribute__((always_inline)) static in_memory& at(double* p) { return *reinterpret_cast<in_memory*>(p); }
    __attribute__((always_inline)) static const in_memory& at(const double* p) { return *reinterpret_cast<const in_memory*>(p); }
};
struct two_doubles {
    typedef double in_memory __attribute__((vector_size(16), aligned(8), may_alias));
    static constexpr std::ptrdiff_t size = 2;
    __attribute__((always_inline)) static in_memory& at(double* p) { return *reinterpret_cast<in_memory*>(p); }
    __attribute__((always_inline)) static const in_memory& at(const double* p) { return *reinterpret_cast<const in_memory*>(p); }
};
struct four_doubles {
    typedef double in_memory __attribute__((vector_size(32), aligned(8), may_alias));
    static constexpr std::ptrdiff_t size = 4;
    __attribute__((always_inline)) static in_memory& at(double* p) { return *reinterpret_cast<in_memory*>(p); }
    __attribute__((always_inline)) static const in_memory& at(const double* p) { return *reinterpret_cast<const in_memory*>(p); }
};

/// out[i] = the weighted sum of the rows' elements i in [i, end), as many at a time as V holds and no more than fit; returns where it
/// stopped. The taps are symmetric, so rows are added in pairs before they are weighed.
template <class V>
__attribute__((always_inline)) inline std::ptrdiff_t weigh(const window_rows r, std::ptrdiff_t i, std::ptrdiff_t end, double* out) {
    const std::array<double, ssim_window> g = ssim_taps();
    for (; i + V::size <= end; i += V::size)
        V::at(out + i) = (g[5] * V::at(r[5] + i) + (g[4] * (V::at(r[4] + i) + V::at(r[6] + i)) + g[3] * (V::at(r[3] + i) + V::at(r[7] + i)))) +
                         (g[2] * (V::at(r[2] + i) + V::at(r[8] + i)) +
                          (g[1] * (V::at(r[1] + i) + V::at(r[9] + i)) + g[0] * (V::at(r[0] + i) + V::at(r[10] + i))));
    return i;
}

inline void smooth_portable(const window_rows& rows, std::ptrdiff_t n, double* out) {
    weigh<one_double>(rows, weigh<two_doubles>(rows, 0, n, out), n, out);
}

#if defined(__x86_64__)
__attribute__((target("avx"))) inline void smooth_avx(const window_rows& rows, std::ptrdiff_t n, double* out) {
    weigh<one_double>(rows, weigh<four_doubles>(rows, 0, n, out), n, out);
}
#endif

/// out = the Gaussian over eleven rows of `n` elements. Twice as fast where the machine has AVX, with the same bits: the same additions and
/// multiplications, none of them fused.
inline void smooth(const window_rows& rows, std::ptrdiff_t n, double* out) {
#if defined(__x86_64__)
    static const bool has_avx = __builtin_cpu_supports("avx");
    if (has_avx) return smooth_avx(rows, n, out);
#endif
    smooth_portable(rows, n, out);
}

} // namespace umsrep::loss::detail
