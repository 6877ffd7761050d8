// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/window.cuh>

namespace umsrep::cuda::kernel {

/// The mean of each plane, by `reduce`: (N, H, W, C) to (N, C).
template <class T>
struct global_average {
    extents e;
    pixels<const T> in;
    pixels<T> out; ///< one pixel per sample

    struct sums {
        double total;
    };
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return static_cast<long long>(e.n) * e.c; }
    UMSREP_DEVICE u32 length() const { return e.plane(); }
    UMSREP_DEVICE u32 neighbours() const { return e.c; }
    UMSREP_DEVICE void add(sums& s, u32 output, u32 pixel) const {
        s.total += to_float(*in.at(static_cast<long long>(output / e.c) * e.plane() + pixel, output % e.c));
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.total += from.total; }
    UMSREP_DEVICE void finish(u32 output, const sums& all) const {
        *out.at(output / e.c, output % e.c) = number<T>::from(static_cast<float>(all.total / e.plane()));
    }
};

/// Every pixel gets its share of the mean's gradient, n channels at a time, by `map`.
template <class T, int n>
struct global_average_backward {
    extents e;
    pixels<const T> grad_out; ///< one pixel per sample
    pixels<T> grad_in;
    bool accumulate;

    UMSREP_DEVICE long long count() const { return e.size() / n; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 pixel = i / (e.c / n), channel = i % (e.c / n) * n;
        values<n> d = load<n>(grad_out.at(pixel / e.plane(), channel));
        for (int k = 0; k < n; ++k) d.at[k] /= static_cast<float>(e.plane());
        store(grad_in.at(pixel, channel), d, accumulate);
    }
};

/// The largest pixel under each window, n channels at a time, by `map`: the first one in row-major order; a NaN counts as the largest.
/// cuDNN's takes windows of 128 pixels at most, and no slices of wider images. Tap: a number that counts a window's pixels.
template <class T, class Tap, int n>
struct max_pool {
    sliding_window window;
    pixels<const T> in;
    pixels<T> out;
    Tap* tap; ///< which pixel of the window it was, one for each result (pixel, channel), for backward; null: not wanted

    UMSREP_DEVICE long long count() const { return window.results.size() / n; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const sliding_window& w = window;
        const place<n> p(w.results, i);
        values<n> best = {};
        u32 where[n];
        for (int k = 0; k < n; ++k) where[k] = ~0u;
        for (u32 a = 0; a < w.kernel_h; ++a) {
            const int y = w.row(p.y, a);
            if (y < 0) continue;
            for (u32 b = 0; b < w.kernel_w; ++b) {
                const int x = w.column(p.x, b);
                if (x < 0) continue;
                const values<n> v = load<n>(in.at(w.image.pixel(p.sample, static_cast<u32>(y), static_cast<u32>(x)), p.channel));
                for (int k = 0; k < n; ++k) {
                    if (where[k] != ~0u && !(v.at[k] > best.at[k] || v.at[k] != v.at[k])) continue;
                    best.at[k] = v.at[k];
                    where[k] = a * w.kernel_w + b;
                }
            }
        }
        const long long pixel = w.results.pixel(p.sample, p.y, p.x);
        store(out.at(pixel, p.channel), best);
        if (tap == nullptr) return;
        pack<Tap, n> taps;
        for (int k = 0; k < n; ++k) taps.at[k] = static_cast<Tap>(where[k]);
        *reinterpret_cast<pack<Tap, n>*>(tap + pixel * w.results.c + p.channel) = taps;
    }
};

/// Each pixel gathers the gradients of the windows in which it was the largest, n channels at a time, by `map`.
template <class T, class Tap, int n>
struct max_pool_backward {
    sliding_window window;
    pixels<const T> grad_out;
    const Tap* tap;
    pixels<T> grad_in;
    bool accumulate;

    UMSREP_DEVICE long long count() const { return window.image.size() / n; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const sliding_window& w = window;
        const place<n> p(w.image, i);
        values<n> sum = {};
        for (u32 a = w.kernel_h; a-- > 0;) { // windows in row-major order
            const int y = w.position_of_row(p.y, a);
            if (y < 0) continue;
            for (u32 b = w.kernel_w; b-- > 0;) {
                const int x = w.position_of_column(p.x, b);
                if (x < 0) continue;
                const long long pixel = w.results.pixel(p.sample, static_cast<u32>(y), static_cast<u32>(x));
                const values<n> d = load<n>(grad_out.at(pixel, p.channel));
                const pack<Tap, n> taps = *reinterpret_cast<const pack<Tap, n>*>(tap + pixel * w.results.c + p.channel);
                for (int k = 0; k < n; ++k)
                    if (taps.at[k] == static_cast<Tap>(a * w.kernel_w + b)) sum.at[k] += d.at[k];
            }
        }
        store(grad_in.at(w.image.pixel(p.sample, p.y, p.x), p.channel), sum, accumulate);
    }
};

} // namespace umsrep::cuda::kernel
