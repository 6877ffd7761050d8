// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <umsrep/backend/cpu/kernel/table.hpp>

/// Kernels of the ops that do little with each value they read: they go through memory row by row, 16 channels at a time. See table.hpp.
namespace umsrep::cpu_ops {

/// The windows of one row of results over a plane (h, w, 16). Window x begins at column x stride - padding.
struct window_row {
    int results = 0;
    int rows = 0;                                          ///< of the windows, those inside of the plane
    std::ptrdiff_t row_step = 0;                           ///< elements between them
    int width = 0;                                         ///< of the plane
    int kernel = 1, stride = 1, padding = 0, dilation = 1; ///< along x
    int divisor = 0;                                       ///< of a mean; 0: as many pixels as are inside of the plane
};

/// out[i] = f(x[i], y[i]) for i in [0, size), or out[i] += it. Where out is x or y, it is so in place.
struct map_row {
    const float* x = nullptr;
    reading as_x{};
    const float* y = nullptr;
    reading as_y{};
    float* out = nullptr;
    std::ptrdiff_t size = 0; ///< elements; need not be whole blocks
    bool accumulate = false;
    float value = 0;                   ///< a slope
    const float* lanes_used = nullptr; ///< 1 for the lanes that hold channels and 0 beyond, where f(0) is not 0; null: all
};

/// Between which columns of a row a result lies, and how much of the right one it takes.
struct blend {
    int left = 0, right = 0;
    float share = 0;
};

/// A tap of a window: of result x in [first, last) it sees the element offset + x in_step of the plane; of the others it is outside.
struct depthwise_tap {
    std::ptrdiff_t offset = 0;
    int first = 0, last = 0;
    int number = 0; ///< in the window
};

/// One row of results of a correlation in which channels do not mix:
/// out[x out_step] = then(bias + sum over the taps of weight times what it sees).
struct depthwise_row {
    const float* plane = nullptr;
    reading as{};
    const depthwise_tap* taps = nullptr;
    const float* weights = nullptr; ///< 16 of each tap of the window
    int count = 0, results = 0;
    std::ptrdiff_t in_step = lanes, out_step = lanes;
    const float* bias = nullptr; ///< 16; null: 0
    reading then{};
    float* out = nullptr;
    bool accumulate = false; ///< add to what is there, last
};

/// A window over a few dense planes: value `i` of pixel x is planes[offset[i] + x step].
struct plane_window {
    const float* planes = nullptr;
    const std::ptrdiff_t* offset = nullptr;
    int count = 0;
    std::ptrdiff_t step = 1;
};

/// A block of 16 channels, from the first pixel of a row on.
struct block_row {
    const float* first = nullptr;
    reading as{};
};

/// One row of dense results, each a linear function of the channels of its pixel:
/// out[result plane + x] = then(bias + sum over blocks and lanes of weights[result][block][lane] blocks[block][x][lane]).
struct projected_row {
    const block_row* blocks = nullptr;
    int count = 0, pixels = 0;
    const float* weights = nullptr;
    int results = 1;
    const float* bias = nullptr; ///< one of each result; null: 0
    reading then{};              ///< one scale and shift of each result
    float* out = nullptr;
    std::ptrdiff_t plane = 0;
    bool accumulate = false; ///< add to what is there, last
};

struct row_table {
    /// `in` is the first row of the windows that is inside of the plane, as are `to` and out for one row of results.
    void (*max_pool)(const float* in, const window_row&, const reading&, float* out) = nullptr;
    /// dy to the pixel that was the largest: added to `to`, or, of windows that neither overlap nor leave gaps, overwriting all
    /// of their pixels.
    void (*max_pool_gradient)(const float* in, const window_row&, const reading&, const float* dy, float* to, bool add) = nullptr;

    /// sums += the row's sum, 16 channels.
    void (*sum)(const float* in, int pixels, const reading&, float* sums) = nullptr;
    /// Every pixel (+)= 16 values.
    void (*fill)(const float* values, int pixels, float* out, bool accumulate) = nullptr;
    /// Lanes [from, from + count) of every pixel to lanes [to, to + count).
    void (*move_lanes)(const float* in, int from, const reading&, float* out, int to, int count, int pixels,
                       bool accumulate) = nullptr;

    /// out[x][lane] = sum over i of weights[i][lane] times value i of the window at x, finished as `output_reading` says.
    void (*from_planes)(const plane_window&, const float* weights, int pixels, const output_reading&, float* out) = nullptr;
    /// sums[i][lane] += value i of the window at x times in[x][lane], over the pixels.
    void (*plane_products)(const plane_window&, const float* in, const reading&, int pixels, float* sums) = nullptr;
    void (*to_planes)(const projected_row&) = nullptr;

    // Elementwise functions; y is the gradient of the result in the backward ones, x what the formula reads (see reference/activation.hpp).
    void (*identity)(const map_row&) = nullptr;
    void (*add)(const map_row&) = nullptr;
    void (*relu)(const map_row&) = nullptr;
    void (*relu_gradient)(const map_row&) = nullptr;
    void (*sigmoid)(const map_row&) = nullptr;
    void (*sigmoid_gradient)(const map_row&) = nullptr;
};

// Those of families that not every program needs, see families.hpp.

/// See max_pool of row_table.
struct average_table {
    void (*avg_pool)(const float* in, const window_row&, const reading&, float* out, bool add) = nullptr;
    void (*avg_pool_gradient)(const window_row&, const float* dy, const reading&, float* to, bool add) = nullptr;
};

struct blend_table {
    /// Bilinear interpolation between two rows of a plane, `count` results; and its adjoint, which adds.
    void (*blend_row)(const float* upper, const float* lower, float lower_share, const blend* columns, int count, const reading&,
                      float* out) = nullptr;
    void (*blend_row_gradient)(const float* dy, float lower_share, const blend* columns, int count, float* upper,
                               float* lower) = nullptr;
};

struct depthwise_table {
    void (*depthwise)(const depthwise_row&) = nullptr;
    /// sums, 16 of each tap of the window, += narrow[x] times what the tap sees, over the results. One of the two is read as it is.
    void (*depthwise_products)(const depthwise_row&, const float* narrow, const reading&, float* sums) = nullptr;
};

struct dropout_table {
    void (*drop)(const map_row&) = nullptr; ///< x times `value` where y > 0, else 0
};

/// See the elementwise functions of row_table.
struct activation_table {
    void (*leaky_relu)(const map_row&) = nullptr;
    void (*leaky_relu_gradient)(const map_row&) = nullptr;
    void (*gelu)(const map_row&) = nullptr;
    void (*gelu_gradient)(const map_row&) = nullptr;
    void (*silu)(const map_row&) = nullptr;
    void (*silu_gradient)(const map_row&) = nullptr;
};

} // namespace umsrep::cpu_ops
