// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <umsrep/backend/reference/elementwise.hpp>
#include <umsrep/backend/reference/im2col.hpp>
#include <umsrep/backend/reference/parallel.hpp>

namespace umsrep::reference_ops {

// Correlation with one image channel per group: `maps / channels` maps look at each channel. There is no matrix worth multiplying;
// each tap of the window moves a scaled image over a plane.

/// Calls `line(position, pixel, n)` for the runs of n positions of tap (i, j) that see the image.
template <class Line>
void for_each_line(const sliding_window& s, int i, int j, Line line) {
    const int dy = i * s.dilation.h - s.padding.h, dx = j * s.dilation.w - s.padding.w;
    const inside ys(dy, s.stride.h, s.height, s.rows), xs(dx, s.stride.w, s.width, s.columns);
    if (xs.last <= xs.first) return;
    for (int y = ys.first; y < ys.last; ++y)
        line(std::ptrdiff_t{y} * s.columns + xs.first, std::ptrdiff_t{y * s.stride.h + dy} * s.width + (xs.first * s.stride.w + dx),
             xs.last - xs.first);
}

template <class T>
void depthwise_correlate(thread_pool* pool, const sliding_window& s, int batch, int channels, int maps, const T* image, const T* weight,
                         const T* bias, bool add, T* out) {
    const int per_channel = maps / channels;
    for_tasks(pool, std::ptrdiff_t{batch} * maps, [&](int task) {
        const int sample = task / maps, map = task % maps;
        const T* from = image + (std::ptrdiff_t{sample} * channels + map / per_channel) * s.plane();
        T* to = out + task * s.positions();
        if (!add) std::fill_n(to, s.positions(), bias ? bias[map] : T{0});
        for (int i = 0; i < s.kernel.h; ++i)
            for (int j = 0; j < s.kernel.w; ++j) {
                const T w = weight[map * s.taps() + i * s.kernel.w + j];
                for_each_line(s, i, j, [&](std::ptrdiff_t position, std::ptrdiff_t pixel, int n) {
                    if (s.stride.w == 1) return axpy(n, w, from + pixel, to + position);
                    for (int x = 0; x < n; ++x) to[position + x] += w * from[pixel + std::ptrdiff_t{x} * s.stride.w];
                });
            }
    });
}

template <class T>
void depthwise_adjoint(thread_pool* pool, const sliding_window& s, int batch, int channels, int maps, const T* in, const T* weight, const T* bias,
                       bool add, T* image) {
    const int per_channel = maps / channels;
    for_tasks(pool, std::ptrdiff_t{batch} * channels, [&](int task) {
        const int sample = task / channels, channel = task % channels;
        T* to = image + task * s.plane();
        if (!add) std::fill_n(to, s.plane(), bias ? bias[channel] : T{0});
        for (int map = channel * per_channel; map < (channel + 1) * per_channel; ++map) {
            const T* from = in + (std::ptrdiff_t{sample} * maps + map) * s.positions();
            for (int i = 0; i < s.kernel.h; ++i)
                for (int j = 0; j < s.kernel.w; ++j) {
                    const T w = weight[map * s.taps() + i * s.kernel.w + j];
                    for_each_line(s, i, j, [&](std::ptrdiff_t position, std::ptrdiff_t pixel, int n) {
                        if (s.stride.w == 1) return axpy(n, w, from + position, to + pixel);
                        for (int x = 0; x < n; ++x) to[pixel + std::ptrdiff_t{x} * s.stride.w] += w * from[position + x];
                    });
                }
        }
    });
}

template <class T>
void depthwise_weight_gradient(thread_pool* pool, const sliding_window& s, int batch, int channels, int maps, const T* image, const T* grad_maps,
                               T* grad_weight) {
    const int per_channel = maps / channels;
    for_tasks(pool, maps, [&](int map) {
        for (int i = 0; i < s.kernel.h; ++i)
            for (int j = 0; j < s.kernel.w; ++j) {
                wide<T> total = 0;
                for (int sample = 0; sample < batch; ++sample) {
                    const T* seen = image + (std::ptrdiff_t{sample} * channels + map / per_channel) * s.plane();
                    const T* grad = grad_maps + (std::ptrdiff_t{sample} * maps + map) * s.positions();
                    for_each_line(s, i, j, [&](std::ptrdiff_t position, std::ptrdiff_t pixel, int n) {
                        if (s.stride.w == 1) total += dot(n, grad + position, seen + pixel);
                        else
                            for (int x = 0; x < n; ++x)
                                total += static_cast<wide<T>>(grad[position + x]) * static_cast<wide<T>>(seen[pixel + std::ptrdiff_t{x} * s.stride.w]);
                    });
                }
                grad_weight[map * s.taps() + i * s.kernel.w + j] = static_cast<T>(total);
            }
    });
}

} // namespace umsrep::reference_ops
