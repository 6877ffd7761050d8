// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/reduce.cuh>
#include <umsrep/backend/cuda/kernel/window.cuh>

namespace umsrep::cuda::kernel {

/// A convolution with one image channel per group: window.results.c / window.image.c maps look at each channel. Weights
/// (maps, 1, kernel_h, kernel_w), floats. One result at a time, by `map`.
template <class T>
struct depthwise {
    sliding_window window;
    pixels<const T> in;
    const float *weight, *bias; ///< bias: or null
    pixels<T> out;

    UMSREP_DEVICE long long count() const { return window.results.size(); }
    UMSREP_DEVICE void operator()(u32 i) const {
        const sliding_window& w = window;
        const place<1> p(w.results, i);
        const float* const taps = weight + static_cast<long long>(p.channel) * w.taps();
        float sum = bias != nullptr ? bias[p.channel] : 0;
        for (u32 a = 0; a < w.kernel_h; ++a) {
            const int y = w.row(p.y, a);
            if (y < 0) continue;
            for (u32 b = 0; b < w.kernel_w; ++b) {
                const int x = w.column(p.x, b);
                if (x < 0) continue;
                const long long pixel = w.image.pixel(p.sample, static_cast<u32>(y), static_cast<u32>(x));
                sum += taps[a * w.kernel_w + b] * to_float(*in.at(pixel, p.channel / (w.results.c / w.image.c)));
            }
        }
        *out.at(w.results.pixel(p.sample, p.y, p.x), p.channel) = number<T>::from(sum);
    }
};

/// The gradient of the image, gathered from the maps of each channel, by `map`.
template <class T>
struct depthwise_backward {
    sliding_window window;
    pixels<const T> grad_out;
    const float* weight;
    pixels<T> grad_in;
    bool accumulate;

    UMSREP_DEVICE long long count() const { return window.image.size(); }
    UMSREP_DEVICE void operator()(u32 i) const {
        const sliding_window& w = window;
        const place<1> p(w.image, i);
        const u32 per_channel = w.results.c / w.image.c;
        float sum = 0;
        for (u32 m = p.channel * per_channel; m < (p.channel + 1) * per_channel; ++m)
            for (u32 a = 0; a < w.kernel_h; ++a) {
                const int y = w.position_of_row(p.y, a);
                if (y < 0) continue;
                for (u32 b = 0; b < w.kernel_w; ++b) {
                    const int x = w.position_of_column(p.x, b);
                    if (x < 0) continue;
                    const long long pixel = w.results.pixel(p.sample, static_cast<u32>(y), static_cast<u32>(x));
                    sum += weight[static_cast<long long>(m) * w.taps() + a * w.kernel_w + b] * to_float(*grad_out.at(pixel, m));
                }
            }
        store(grad_in.at(w.image.pixel(p.sample, p.y, p.x), p.channel), values<1>{{sum}}, accumulate);
    }
};

/// The gradient of the weights, by `reduce`, in two steps: (piece, tap, map) in doubles here, then depthwise_weights_total.
template <class T>
struct depthwise_weights {
    sliding_window window;
    two_steps step; ///< cut(window.results.pixels(), ...)
    pixels<const T> in, grad_out;
    double* to;

    struct sums {
        double total;
    };
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return static_cast<long long>(step.count) * window.taps() * window.results.c; }
    UMSREP_DEVICE u32 length() const { return step.length; }
    UMSREP_DEVICE u32 neighbours() const { return window.results.c; }
    UMSREP_DEVICE void add(sums& s, u32 output, u32 term) const {
        const sliding_window& w = window;
        const u32 m = output % w.results.c, tap = output / w.results.c % w.taps(), piece = output / w.results.c / w.taps();
        const long long position = static_cast<long long>(piece) * step.length + term;
        if (position >= w.results.pixels()) return;
        const place<1> p({w.results.n, w.results.h, w.results.w, 1}, static_cast<u32>(position));
        const int y = w.row(p.y, tap / w.kernel_w), x = w.column(p.x, tap % w.kernel_w);
        if (y < 0 || x < 0) return;
        const long long pixel = w.image.pixel(p.sample, static_cast<u32>(y), static_cast<u32>(x));
        s.total += static_cast<double>(to_float(*grad_out.at(position, m))) * to_float(*in.at(pixel, m / (w.results.c / w.image.c)));
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.total += from.total; }
    UMSREP_DEVICE void finish(u32 output, const sums& all) const { to[output] = all.total; }
};

/// The pieces' sums, in the order of the weights, by `reduce`.
struct depthwise_weights_total {
    u32 maps, taps, count; ///< of pieces
    const double* pieces_of_weights;
    float* grad_weight;

    struct sums {
        double total;
    };
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return static_cast<long long>(taps) * maps; }
    UMSREP_DEVICE u32 length() const { return count; }
    UMSREP_DEVICE u32 neighbours() const { return maps; }
    UMSREP_DEVICE void add(sums& s, u32 output, u32 piece) const { s.total += pieces_of_weights[piece * outputs() + output]; }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.total += from.total; }
    UMSREP_DEVICE void finish(u32 output, const sums& all) const {
        grad_weight[static_cast<long long>(output % maps) * taps + output / maps] = static_cast<float>(all.total);
    }
};

} // namespace umsrep::cuda::kernel
