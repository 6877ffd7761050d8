// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstddef>

#include <umsrep/core/config.hpp>

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

#if UMSREP_CPU_FALLBACK

/// out = the Gaussian over eleven rows of `n` elements. The taps are symmetric, so rows are added in pairs before they are weighed.
inline void smooth(const window_rows& rows, std::ptrdiff_t n, double* out) {
    const std::array<double, ssim_window> g = ssim_taps();
    for (std::ptrdiff_t i = 0; i < n; ++i)
        out[i] = (g[5] * rows[5][i] + (g[4] * (rows[4][i] + rows[6][i]) + g[3] * (rows[3][i] + rows[7][i]))) +
                 (g[2] * (rows[2][i] + rows[8][i]) + (g[1] * (rows[1][i] + rows[9][i]) + g[0] * (rows[0][i] + rows[10][i])));
}

#else

/// Doubles computed together: two are SSE2's and NEON's vector, four AVX's.
typedef double two_doubles __attribute__((vector_size(16)));
typedef double four_doubles __attribute__((vector_size(32)));

/// Reads a V at any address. (To return it, a function would need the instructions of its caller.)
template <class V>
__attribute__((always_inline)) inline void read(V& to, const double* from) {
    __builtin_memcpy(&to, from, sizeof(V));
}

/// out[i] = the weighted sum of the rows' elements i in [i, end), as many at a time as V holds and no more than fit; returns where it
/// stopped. The taps are symmetric, so rows are added in pairs before they are weighed.
template <class V>
__attribute__((always_inline)) inline std::ptrdiff_t weigh(const window_rows rows, std::ptrdiff_t i, std::ptrdiff_t end, double* out) {
    const std::array<double, ssim_window> g = ssim_taps();
    constexpr auto size = static_cast<std::ptrdiff_t>(sizeof(V) / sizeof(double));
    for (; i + size <= end; i += size) {
        V middle, above1, below1, above2, below2, above3, below3, above4, below4, above5, below5;
        read(middle, rows[5] + i);
        read(above1, rows[4] + i), read(below1, rows[6] + i);
        read(above2, rows[3] + i), read(below2, rows[7] + i);
        read(above3, rows[2] + i), read(below3, rows[8] + i);
        read(above4, rows[1] + i), read(below4, rows[9] + i);
        read(above5, rows[0] + i), read(below5, rows[10] + i);
        const V sum = (g[5] * middle + (g[4] * (above1 + below1) + g[3] * (above2 + below2))) +
                      (g[2] * (above3 + below3) + (g[1] * (above4 + below4) + g[0] * (above5 + below5)));
        __builtin_memcpy(out + i, &sum, sizeof(V));
    }
    return i;
}

inline void smooth_portable(const window_rows& rows, std::ptrdiff_t n, double* out) {
    weigh<double>(rows, weigh<two_doubles>(rows, 0, n, out), n, out);
}

#if defined(__x86_64__)
__attribute__((target("avx"))) inline void smooth_avx(const window_rows& rows, std::ptrdiff_t n, double* out) {
    weigh<double>(rows, weigh<four_doubles>(rows, 0, n, out), n, out);
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

#endif

} // namespace umsrep::loss::detail
