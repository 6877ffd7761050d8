// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <string>

#include <umsrep/backend/operands.hpp>
#include <umsrep/backend/reference/elementwise.hpp>
#include <umsrep/backend/reference/parallel.hpp>
#include <umsrep/core/error.hpp>

namespace umsrep::reference_ops {

/// Mean and biased variance of `count` planes of `size` elements, `stride` apart: two passes, no difference of large squares.
template <class T>
struct moments {
    wide<T> mean = 0, variance = 0;
    moments(const T* x, int count, std::ptrdiff_t size, std::ptrdiff_t stride) {
        const wide<T> n = static_cast<wide<T>>(count * size);
        for (int i = 0; i < count; ++i) mean += sum(size, x + i * stride);
        mean /= n;
        const T center = static_cast<T>(mean);
        for (int i = 0; i < count; ++i) variance += sum_elements(size, [center](auto v) { return (v - center).square(); }, x + i * stride);
        // The center was rounded to T; the variance about it is too large by the square of that rounding.
        const wide<T> rounding = mean - static_cast<wide<T>>(center);
        variance = variance / n - rounding * rounding;
    }
};

/// out = (in - mean) * (rstd * weight) + bias, per channel over the batch. With `batch_statistics` mean and variance are the batch's,
/// are kept for backward in `state` (c means, then c values of rstd) and move the running ones (the variance as the unbiased one);
/// otherwise they are the running ones.
/// Source: Ioffe, Szegedy, "Batch Normalization", ICML 2015. Throws shape_mismatch for the statistics of a single value.
template <class T>
void forward_batch_norm(const operands<T>& o) {
    const auto in = o.in[0];
    const std::ptrdiff_t plane = in.s.plane(), count = in.n * plane;
    if (o.batch_statistics && count <= 1)
        throw shape_mismatch("batch_norm", "more than one value per channel to train on",
                             std::to_string(in.n) + " x " + std::to_string(in.s.h) + " x " + std::to_string(in.s.w));
    const T eps = static_cast<T>(o.n->a.value);
    for_tasks(o.pool, in.s.c, [&](int c) {
        T mean, rstd;
        if (o.batch_statistics) {
            const moments<T> batch(in.plane(0, c), in.n, plane, in.s.size());
            mean = static_cast<T>(batch.mean);
            rstd = static_cast<T>(1 / std::sqrt(batch.variance + static_cast<wide<T>>(eps)));
            o.state[c] = mean;
            o.state[in.s.c + c] = rstd;
            const auto move = [&](T& running, wide<T> value) {
                const auto momentum = static_cast<wide<T>>(o.n->a.momentum);
                running = static_cast<T>((1 - momentum) * static_cast<wide<T>>(running) + momentum * value);
            };
            if (o.running_mean && !o.recomputing) move(o.running_mean[c], batch.mean);
            if (o.running_var && !o.recomputing) move(o.running_var[c], batch.variance * static_cast<wide<T>>(count) / static_cast<wide<T>>(count - 1));
        } else {
            mean = o.running_mean[c];
            rstd = 1 / std::sqrt(o.running_var[c] + eps);
        }
        const T scale = o.weight ? rstd * o.weight[c] : rstd, shift = o.bias ? o.bias[c] : T{0};
        for (int i = 0; i < in.n; ++i)
            map_elements(plane, false, o.out.plane(i, c), [=](auto x) { return (x - mean) * scale + shift; }, in.plane(i, c));
    });
}

/// With xhat = (x - mean) rstd, dy = grad_out and means over the m values of a channel:
/// grad_weight = sum dy xhat, grad_bias = sum dy, grad_in = weight rstd (dy - mean(dy) - xhat mean(dy xhat));
/// the two means fall away when the statistics are constants.
template <class T>
void backward_batch_norm(const operands<T>& o) {
    const auto in = o.in[0];
    const auto dy = o.grad_out;
    const std::ptrdiff_t plane = dy.s.plane();
    const bool through_statistics = o.batch_statistics && o.grad_in[0];
    for_tasks(o.pool, dy.s.c, [&](int c) {
        const T mean = o.batch_statistics ? o.state[c] : o.running_mean[c];
        const T rstd = o.batch_statistics ? o.state[dy.s.c + c] : 1 / std::sqrt(o.running_var[c] + static_cast<T>(o.n->a.value));
        wide<T> sum_dy = 0, sum_dy_x = 0; // x centered
        if (o.grad_bias || through_statistics)
            for (int i = 0; i < dy.n; ++i) sum_dy += sum(plane, dy.plane(i, c));
        if (o.grad_weight || through_statistics)
            for (int i = 0; i < dy.n; ++i)
                sum_dy_x += sum_elements(plane, [mean](auto g, auto x) { return g * (x - mean); }, dy.plane(i, c), in.plane(i, c));
        if (o.grad_bias) o.grad_bias[c] = static_cast<T>(sum_dy);
        if (o.grad_weight) o.grad_weight[c] = static_cast<T>(sum_dy_x * static_cast<wide<T>>(rstd));
        if (!o.grad_in[0]) return;
        const T scale = o.weight ? rstd * o.weight[c] : rstd;
        const wide<T> m = static_cast<wide<T>>(dy.n * plane), r = static_cast<wide<T>>(rstd);
        const T mean_dy = static_cast<T>(sum_dy / m), slope = static_cast<T>(sum_dy_x * r * r / m);
        for (int i = 0; i < dy.n; ++i) {
            T* to = o.grad_in[0].plane(i, c);
            if (o.batch_statistics)
                map_elements(plane, o.accumulate[0], to, [=](auto g, auto x) { return scale * (g - mean_dy - (x - mean) * slope); },
                             dy.plane(i, c), in.plane(i, c));
            else map_elements(plane, o.accumulate[0], to, [=](auto g) { return scale * g; }, dy.plane(i, c));
        }
    });
}

/// out = (in - mean) rstd weight + bias with the moments of each sample's group of channels.
/// Source: Wu, He, "Group Normalization", ECCV 2018; with one channel per group it is instance normalisation.
template <class T>
void forward_group_norm(const operands<T>& o) {
    const auto in = o.in[0];
    const int groups = o.n->a.groups, channels = in.s.c / groups;
    const std::ptrdiff_t plane = in.s.plane();
    for_tasks(o.pool, std::ptrdiff_t{in.n} * groups, [&](int task) {
        const int i = task / groups, first = task % groups * channels;
        const moments<T> group(in.plane(i, first), channels, plane, plane);
        const T mean = static_cast<T>(group.mean), rstd = static_cast<T>(1 / std::sqrt(group.variance + static_cast<wide<T>>(o.n->a.value)));
        for (int c = first; c < first + channels; ++c) {
            const T scale = o.weight ? rstd * o.weight[c] : rstd, shift = o.bias ? o.bias[c] : T{0};
            map_elements(plane, false, o.out.plane(i, c), [=](auto x) { return (x - mean) * scale + shift; }, in.plane(i, c));
        }
    });
}

/// As batch_norm's, with g = weight dy in place of dy and means over the group; reads in[0] and recomputes the moments.
/// `workspace`: 2 * batch * channels elements, the samples' shares of grad_weight and grad_bias.
template <class T>
void backward_group_norm(const operands<T>& o) {
    const auto in = o.in[0];
    const auto dy = o.grad_out;
    const int groups = o.n->a.groups, channels = in.s.c / groups;
    const std::ptrdiff_t plane = in.s.plane(), all = std::ptrdiff_t{in.n} * in.s.c;
    T *const weight_shares = o.workspace, *const bias_shares = o.workspace + all;
    for_tasks(o.pool, std::ptrdiff_t{in.n} * groups, [&](int task) {
        const int i = task / groups, first = task % groups * channels;
        const moments<T> group(in.plane(i, first), channels, plane, plane);
        const T mean = static_cast<T>(group.mean);
        const wide<T> r = 1 / std::sqrt(group.variance + static_cast<wide<T>>(o.n->a.value));
        wide<T> sum_g = 0, sum_g_x = 0;
        for (int c = first; c < first + channels; ++c) {
            const wide<T> dy_sum = sum(plane, dy.plane(i, c));
            const wide<T> dy_x_sum = sum_elements(plane, [mean](auto g, auto x) { return g * (x - mean); }, dy.plane(i, c), in.plane(i, c));
            weight_shares[std::ptrdiff_t{i} * in.s.c + c] = static_cast<T>(dy_x_sum * r);
            bias_shares[std::ptrdiff_t{i} * in.s.c + c] = static_cast<T>(dy_sum);
            const wide<T> weight = o.weight ? static_cast<wide<T>>(o.weight[c]) : wide<T>{1};
            sum_g += weight * dy_sum;
            sum_g_x += weight * dy_x_sum;
        }
        if (!o.grad_in[0]) return;
        const wide<T> m = static_cast<wide<T>>(channels * plane);
        const T rstd = static_cast<T>(r), mean_g = static_cast<T>(sum_g / m), slope = static_cast<T>(sum_g_x * r * r / m);
        for (int c = first; c < first + channels; ++c) {
            const T weight = o.weight ? o.weight[c] : T{1};
            map_elements(plane, o.accumulate[0], o.grad_in[0].plane(i, c),
                         [=](auto g, auto x) { return rstd * (weight * g - mean_g - (x - mean) * slope); }, dy.plane(i, c), in.plane(i, c));
        }
    });
    const auto add_up = [&](const T* shares, T* grad) {
        for (int c = 0; grad && c < in.s.c; ++c) {
            wide<T> total = 0;
            for (int i = 0; i < in.n; ++i) total += static_cast<wide<T>>(shares[std::ptrdiff_t{i} * in.s.c + c]);
            grad[c] = static_cast<T>(total);
        }
    };
    add_up(weight_shares, o.grad_weight);
    add_up(bias_shares, o.grad_bias);
}

} // namespace umsrep::reference_ops
