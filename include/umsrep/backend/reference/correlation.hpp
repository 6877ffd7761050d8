// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include <umsrep/backend/reference/depthwise.hpp>
#include <umsrep/backend/reference/elementwise.hpp>
#include <umsrep/backend/reference/im2col.hpp>
#include <umsrep/backend/reference/matrix.hpp>
#include <umsrep/backend/reference/parallel.hpp>
#include <umsrep/graph/node.hpp>

namespace umsrep::reference_ops {

/// The linear map behind convolution and transposed convolution: `channels` planes of an image are correlated with weights
/// (maps, channels / groups, kernel.h, kernel.w) and give `maps` planes of positions. Convolution goes from image to maps;
/// transposed convolution is the adjoint and goes from maps to image. Three operations serve the forward and backward passes of both.
struct correlation {
    sliding_window window;
    int channels = 0, maps = 0, groups = 1;

    explicit constexpr correlation(const node& n)
        : correlation(n.kind == op::conv ? n.in : n.out, n.kind == op::conv ? n.out : n.in, n.a) {}

    constexpr int group_channels() const { return channels / groups; }
    constexpr int group_maps() const { return maps / groups; }
    constexpr std::ptrdiff_t image_size() const { return channels * window.plane(); }
    constexpr std::ptrdiff_t maps_size() const { return maps * window.positions(); }
    /// Rows of a group's im2col matrix: what one weight vector multiplies.
    constexpr std::ptrdiff_t depth() const { return group_channels() * window.taps(); }
    constexpr std::ptrdiff_t weights() const { return maps * depth(); }
    /// So little to multiply per pixel that matrices do not pay.
    constexpr bool is_depthwise() const { return group_channels() == 1 && group_maps() < 4; }

    /// The adjoint of a correlation with stride 1 is itself a correlation, from maps to image, with flipped weights.
    constexpr bool has_flipped() const { return window.stride == extent{1} && !is_depthwise(); }
    constexpr correlation flipped() const {
        correlation f = *this;
        f.channels = maps;
        f.maps = channels;
        const sliding_window& w = window;
        f.window = {w.rows, w.columns, w.height, w.width, w.kernel, w.stride,
                    {w.dilation.h * (w.kernel.h - 1) - w.padding.h, w.dilation.w * (w.kernel.w - 1) - w.padding.w}, w.dilation};
        return f;
    }

private:
    constexpr correlation(shape image, shape positions, const attributes& a)
        : window{image.h, image.w, positions.h, positions.w, a.kernel, a.stride, a.padding, a.dilation}, channels{image.c}, maps{positions.c},
          groups{a.groups} {}
};

/// Elements of scratch memory that one worker needs: one tile of an im2col matrix.
template <class T>
inline constexpr std::ptrdiff_t column_tile = std::ptrdiff_t{tile_depth} * tile_columns<T>;

/// The weight gradient is cut into blocks of this many columns and into groups of samples, so that there are about `weight_tasks`
/// tasks; the groups' partial sums are then added in order.
inline constexpr std::ptrdiff_t weight_columns = 192, weight_tasks = 16;

struct weight_split {
    std::ptrdiff_t blocks, sample_groups;
    constexpr weight_split(const correlation& c, int batch)
        : blocks{ceil_div(c.depth(), weight_columns)},
          sample_groups{std::clamp<std::ptrdiff_t>(ceil_div(weight_tasks, blocks * c.groups), 1, std::max(batch, 1))} {}
};

/// maps = W * columns(image) + bias (or maps += with `add`; then bias is left out), for every sample.
/// `workspace`: column_tile<T> elements per worker.
template <class T>
void correlate(thread_pool* pool, const correlation& c, int batch, const T* image, const T* weight, const T* bias, bool add, T* maps, T* workspace) {
    if (c.is_depthwise()) return depthwise_correlate(pool, c.window, batch, c.channels, c.maps, image, weight, bias, add, maps);
    constexpr std::ptrdiff_t width = tile_columns<T>;
    const std::ptrdiff_t positions = c.window.positions(), depth = c.depth(), tiles = ceil_div(positions, width);
    for_tasks(pool, batch * c.groups * tiles, [&](int task, int worker) {
        const std::ptrdiff_t sample = task / (c.groups * tiles), group = task / tiles % c.groups;
        const std::ptrdiff_t begin = task % tiles * width, n = std::min(width, positions - begin), m = c.group_maps();
        const T* from = image + sample * c.image_size() + group * c.group_channels() * c.window.plane();
        const T* w = weight + group * m * depth;
        const matrix<T, order::rows> to{maps + sample * c.maps_size() + group * m * positions + begin, positions};
        if (!add)
            for (std::ptrdiff_t i = 0; i < m; ++i) std::fill_n(to.at(i, 0), n, bias ? bias[group * m + i] : T{0});
        if (c.window.is_identity()) {
            multiply_add<T, order::rows, order::rows>(m, n, depth, {w, depth}, {from + begin, positions}, to);
            return;
        }
        T* col = workspace + worker * column_tile<T>;
        for (std::ptrdiff_t k = 0; k < depth; k += tile_depth) {
            const std::ptrdiff_t rows = std::min<std::ptrdiff_t>(tile_depth, depth - k);
            gather(c.window, from, k, rows, begin, begin + n, col, width);
            multiply_add<T, order::rows, order::rows>(m, n, rows, {w + k, depth}, {col, width}, to);
        }
    });
}

/// image = adjoint of columns(W^T * maps) + bias (or image += with `add`): what `correlate` sent forward is sent back.
/// `workspace`: column_tile<T> elements per worker, preceded by weights() elements when has_flipped().
template <class T>
void correlate_adjoint(thread_pool* pool, const correlation& c, int batch, const T* maps, const T* weight, const T* bias, bool add, T* image,
                       T* workspace) {
    if (c.is_depthwise()) return depthwise_adjoint(pool, c.window, batch, c.channels, c.maps, maps, weight, bias, add, image);
    const std::ptrdiff_t taps = c.window.taps(), depth = c.depth(), m = c.group_maps(), channels = c.group_channels();
    if (c.has_flipped()) {
        for_tasks(pool, c.channels, [&](int channel) { // w'(channel, map, -tap) = w(map, channel, tap), within each group
            const T* w = weight + channel / channels * m * depth + channel % channels * taps;
            T* to = workspace + channel * m * taps;
            for (std::ptrdiff_t map = 0; map < m; ++map)
                for (std::ptrdiff_t tap = 0; tap < taps; ++tap) to[map * taps + (taps - 1 - tap)] = w[map * depth + tap];
        });
        return correlate<T>(pool, c.flipped(), batch, maps, workspace, bias, add, image, workspace + c.weights());
    }
    constexpr std::ptrdiff_t width = tile_columns<T>;
    const std::ptrdiff_t positions = c.window.positions(), plane = c.window.plane();
    const std::ptrdiff_t block = std::max<std::ptrdiff_t>(1, 2 * tile_rows / taps), blocks = ceil_div(channels, block); // channels of one task
    for_tasks(pool, batch * c.groups * blocks, [&](int task, int worker) {
        const std::ptrdiff_t sample = task / (c.groups * blocks), group = task / blocks % c.groups, first = task % blocks * block;
        const std::ptrdiff_t last = std::min(first + block, channels);
        const T* from = maps + sample * c.maps_size() + group * m * positions;
        T* to = image + sample * c.image_size() + group * channels * plane;
        if (!add)
            for (std::ptrdiff_t i = first; i < last; ++i) std::fill_n(to + i * plane, plane, bias ? bias[group * channels + i] : T{0});
        T* col = workspace + worker * column_tile<T>;
        for (std::ptrdiff_t begin = 0; begin < positions; begin += width) {
            const std::ptrdiff_t n = std::min(width, positions - begin);
            for (std::ptrdiff_t k = first * taps; k < last * taps; k += tile_rows) {
                const std::ptrdiff_t rows = std::min<std::ptrdiff_t>(tile_rows, last * taps - k);
                std::fill_n(col, rows * width, T{0});
                multiply_add<T, order::columns, order::rows>(rows, n, m, {weight + group * m * depth + k, depth}, {from + begin, positions},
                                                             {col, width});
                scatter_add(c.window, col, width, k, rows, begin, begin + n, to);
            }
        }
    });
}

/// grad_weight = sum over samples of grad_maps * columns(image)^T.
/// `workspace`: (sample_groups - 1) * weights() elements, then column_tile<T> per worker.
template <class T>
void correlate_weight_gradient(thread_pool* pool, const correlation& c, int batch, const T* image, const T* grad_maps, T* grad_weight, T* workspace) {
    if (c.is_depthwise()) return depthwise_weight_gradient(pool, c.window, batch, c.channels, c.maps, image, grad_maps, grad_weight);
    constexpr std::ptrdiff_t width = tile_depth; // positions are the summed index here
    constexpr std::ptrdiff_t columns = std::min<std::ptrdiff_t>(weight_columns, tile_columns<T>); // fits column_tile
    const weight_split split(c, batch);
    const std::ptrdiff_t positions = c.window.positions(), depth = c.depth(), m = c.group_maps();
    T* partials = workspace;
    T* scratch = workspace + (split.sample_groups - 1) * c.weights();
    for_tasks(pool, split.sample_groups * c.groups * split.blocks, [&](int task, int worker) {
        const std::ptrdiff_t samples = task / (c.groups * split.blocks), group = task / split.blocks % c.groups;
        const std::ptrdiff_t k_begin = task % split.blocks * weight_columns, k_end = std::min(k_begin + weight_columns, depth);
        T* sum = (samples == 0 ? grad_weight : partials + (samples - 1) * c.weights()) + group * m * depth;
        T* col = scratch + worker * column_tile<T>;
        for (std::ptrdiff_t i = 0; i < m; ++i) std::fill(sum + i * depth + k_begin, sum + i * depth + k_end, T{0});
        for (std::ptrdiff_t sample = samples * batch / split.sample_groups; sample < (samples + 1) * batch / split.sample_groups; ++sample) {
            const T* from = image + sample * c.image_size() + group * c.group_channels() * c.window.plane();
            const T* grad = grad_maps + sample * c.maps_size() + group * m * positions;
            for (std::ptrdiff_t begin = 0; begin < positions; begin += width) {
                const std::ptrdiff_t n = std::min(width, positions - begin);
                for (std::ptrdiff_t k = k_begin; k < k_end; k += columns) {
                    const std::ptrdiff_t rows = std::min(columns, k_end - k);
                    matrix<const T, order::columns> seen{from + k * positions + begin, positions};
                    if (!c.window.is_identity()) {
                        gather(c.window, from, k, rows, begin, begin + n, col, width);
                        seen = {col, width};
                    }
                    multiply_add<T, order::rows, order::columns>(m, rows, n, {grad + begin, positions}, seen, {sum + k, depth});
                }
            }
        }
    });
    for_chunks(pool, split.sample_groups > 1 ? c.weights() : 0, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
        for (std::ptrdiff_t samples = 1; samples < split.sample_groups; ++samples)
            map_elements(end - begin, true, grad_weight + begin, [](auto p) { return p; }, partials + (samples - 1) * c.weights() + begin);
    });
}

/// grad_bias[channel] = sum of the channel's plane over the batch.
template <class T>
void bias_gradient(thread_pool* pool, int batch, int channels, std::ptrdiff_t plane, const T* grad, T* grad_bias) {
    for_tasks(pool, channels, [&](int channel) {
        wide<T> total = 0;
        for (int i = 0; i < batch; ++i) total += sum(plane, grad + (std::ptrdiff_t{i} * channels + channel) * plane);
        grad_bias[channel] = static_cast<T>(total);
    });
}

/// Elements of workspace for the three operations above.
template <class T>
constexpr std::ptrdiff_t correlation_workspace(const node& n, int batch, int threads) {
    const correlation c(n);
    if (c.is_depthwise()) return 0;
    const std::ptrdiff_t partials = (weight_split(c, batch).sample_groups - 1) * c.weights(), flipped = c.has_flipped() ? c.weights() : 0;
    return std::max(partials, flipped) + threads * column_tile<T>;
}

} // namespace umsrep::reference_ops
