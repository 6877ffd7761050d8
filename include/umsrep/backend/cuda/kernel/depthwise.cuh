// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/reduce.cuh>
#include <umsrep/backend/cuda/kernel/view.cuh>

namespace umsrep::cuda::kernel {

/// A convolution with one image channel per group: maps / image.c maps look at each channel. Weights (maps, 1, kernel_h, kernel_w).
struct depthwise_window {
    extents image, maps; ///< of one batch
    u32 kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
    int padding_h, padding_w;

    UMSREP_DEVICE u32 per_channel() const { return maps.c / image.c; }
    UMSREP_DEVICE u32 taps() const { return kernel_h * kernel_w; }
    /// Where tap `tap` of position `position` looks along one axis: below 0 or beyond the image, in the padding.
    UMSREP_DEVICE int row(u32 position, u32 tap) const { return seen(position, stride_h, tap, dilation_h, padding_h); }
    UMSREP_DEVICE int column(u32 position, u32 tap) const { return seen(position, stride_w, tap, dilation_w, padding_w); }
    /// The position from which tap `tap` sees a pixel, -1 where there is none.
    UMSREP_DEVICE int position_of_row(u32 y, u32 tap) const { return position(y, stride_h, tap, dilation_h, padding_h, maps.h); }
    UMSREP_DEVICE int position_of_column(u32 x, u32 tap) const { return position(x, stride_w, tap, dilation_w, padding_w, maps.w); }

private:
    UMSREP_DEVICE static int seen(u32 position, u32 stride, u32 tap, u32 dilation, int padding) {
        return static_cast<int>(position * stride + tap * dilation) - padding;
    }
    UMSREP_DEVICE static int position(u32 pixel, u32 stride, u32 tap, u32 dilation, int padding, u32 positions) {
        const int distance = static_cast<int>(pixel) + padding - static_cast<int>(tap * dilation);
        if (distance < 0 || distance % static_cast<int>(stride) != 0) return -1;
        const int result = distance / static_cast<int>(stride);
        return result < static_cast<int>(positions) ? result : -1;
    }
};

/// By `map`, one result at a time. T: of the activations; weights and bias are floats.
template <class T>
struct depthwise {
    depthwise_window window;
    pixels<const T> in;
    const float *weight, *bias; ///< bias: or null
    pixels<T> out;

    UMSREP_DEVICE long long count() const { return window.maps.size(); }
    UMSREP_DEVICE void operator()(u32 i) const {
        const depthwise_window& w = window;
        const place<1> p(w.maps, i);
        const float* const taps = weight + static_cast<long long>(p.channel) * w.taps();
        float sum = bias != nullptr ? bias[p.channel] : 0;
        for (u32 a = 0; a < w.kernel_h; ++a) {
            const int y = w.row(p.y, a);
            if (y < 0 || y >= static_cast<int>(w.image.h)) continue;
            for (u32 b = 0; b < w.kernel_w; ++b) {
                const int x = w.column(p.x, b);
                if (x < 0 || x >= static_cast<int>(w.image.w)) continue;
                const long long pixel = w.image.pixel(p.sample, static_cast<u32>(y), static_cast<u32>(x));
                sum += taps[a * w.kernel_w + b] * to_float(*in.at(pixel, p.channel / w.per_channel()));
            }
        }
        *out.at(w.maps.pixel(p.sample, p.y, p.x), p.channel) = number<T>::from(sum);
    }
};

/// The gradient of the image, gathered from the maps of each channel, by `map`.
template <class T>
struct depthwise_backward {
    depthwise_window window;
    pixels<const T> grad_out;
    const float* weight;
    pixels<T> grad_in;
    bool accumulate;

    UMSREP_DEVICE long long count() const { return window.image.size(); }
    UMSREP_DEVICE void operator()(u32 i) const {
        const depthwise_window& w = window;
        const place<1> p(w.image, i);
        float sum = 0;
        for (u32 m = p.channel * w.per_channel(); m < (p.channel + 1) * w.per_channel(); ++m)
            for (u32 a = 0; a < w.kernel_h; ++a) {
                const int y = w.position_of_row(p.y, a);
                if (y < 0) continue;
                for (u32 b = 0; b < w.kernel_w; ++b) {
                    const int x = w.position_of_column(p.x, b);
                    if (x < 0) continue;
                    const long long pixel = w.maps.pixel(p.sample, static_cast<u32>(y), static_cast<u32>(x));
                    sum += weight[static_cast<long long>(m) * w.taps() + a * w.kernel_w + b] * to_float(*grad_out.at(pixel, m));
                }
            }
        store(grad_in.at(w.image.pixel(p.sample, p.y, p.x), p.channel), values<1>{{sum}}, accumulate);
    }
};

/// The gradient of the weights, by `reduce`, in two steps: (piece, tap, map) in doubles here, then depthwise_weights_total.
template <class T>
struct depthwise_weights {
    depthwise_window window;
    two_steps step; ///< cut(window.maps.pixels(), ...)
    pixels<const T> in, grad_out;
    double* to;

    struct sums {
        double total;
    };
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return static_cast<long long>(step.count) * window.taps() * window.maps.c; }
    UMSREP_DEVICE u32 length() const { return step.length; }
    UMSREP_DEVICE u32 neighbours() const { return window.maps.c; }
    UMSREP_DEVICE void add(sums& s, u32 output, u32 term) const {
        const depthwise_window& w = window;
        const u32 m = output % w.maps.c, tap = output / w.maps.c % w.taps(), piece = output / w.maps.c / w.taps();
        const long long position = static_cast<long long>(piece) * step.length + term;
        if (position >= w.maps.pixels()) return;
        const place<1> p({w.maps.n, w.maps.h, w.maps.w, 1}, static_cast<u32>(position));
        const int y = w.row(p.y, tap / w.kernel_w), x = w.column(p.x, tap % w.kernel_w);
        if (y < 0 || y >= static_cast<int>(w.image.h) || x < 0 || x >= static_cast<int>(w.image.w)) return;
        const long long pixel = w.image.pixel(p.sample, static_cast<u32>(y), static_cast<u32>(x));
        s.total += static_cast<double>(to_float(*grad_out.at(position, m))) * to_float(*in.at(pixel, m / w.per_channel()));
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
