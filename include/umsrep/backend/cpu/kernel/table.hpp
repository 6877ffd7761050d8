// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

/// What the kernels of every instruction set offer. Each is compiled once per set (see instruction_set.hpp) and called through a table, so
/// that a program built without any flags still runs the widest one the machine has. Sums are made in the same order whatever the
/// tiling: pixels and units may be cut anywhere without changing a bit.
namespace umsrep::cpu_ops {

/// Channels that lie next to each other in memory; a unit is one such block.
inline constexpr int lanes = 16;

/// Elements between the ends of rows of a product that are as far apart as powers of two would otherwise be: keeps them out of the same cache sets.
inline constexpr std::ptrdiff_t stagger = 16;

/// Memory that will be read soon: cache lines fetched bit by bit while a product is computed, which itself needs none.
struct ahead {
    const float* first = nullptr;
    int lines = 0;                     ///< of each block
    int blocks = 1;
    std::ptrdiff_t block = 0;          ///< elements between them
    int part = 0, parts = 1;           ///< this call fetches one of so many parts of it
};

/// c[unit][pixel][lane] = bias + sum over blocks j and i < inner of a[a_offset[j] + pixel a_pixel + i] b[b_offset[j] + unit b_unit + 16 i + lane].
struct multiply_call {
    const float* a = nullptr;
    std::ptrdiff_t a_pixel = lanes;
    const std::ptrdiff_t* a_offset = nullptr;
    const float* b = nullptr;
    std::ptrdiff_t b_unit = 0;
    const std::ptrdiff_t* b_offset = nullptr;
    int blocks = 0, inner = lanes;
    float* c = nullptr;
    std::ptrdiff_t c_pixel = lanes, c_unit = 0;
    int pixels = 0, units = 1;
    const float* bias = nullptr; ///< 16 for each unit; null: 0
    bool accumulate = false;     ///< add to c instead (then there is no bias)
    bool stream = false;         ///< past the caches
    ahead next{};
};

/// c[unit][channel][lane] (+)= sum over rows and pixels of a[row a_row + pixel a_pixel + channel] b[row b_row + pixel b_pixel + unit b_unit + lane].
struct products_call {
    const float* a = nullptr;
    std::ptrdiff_t a_pixel = lanes, a_row = 0;
    const float* b = nullptr;
    std::ptrdiff_t b_pixel = lanes, b_row = 0, b_unit = 0;
    int rows = 1, pixels = 0;
    float* c = nullptr;
    std::ptrdiff_t c_channel = lanes, c_unit = 0;
    int channels = lanes, units = 1;
    bool accumulate = true;
    ahead next{};
};

/// What is done to 16 channels while they are read: nothing, x scale + shift, or that behind a ReLU.
struct reading {
    const float* scale = nullptr;
    const float* shift = nullptr;
    bool relu = false;
};

/// Sums for the mean and variance of 16 channels: of x - origin and of its square, over `count` pixels. The origin is one of the values,
/// so that nothing cancels when the mean is far from zero.
struct moments {
    float origin[lanes], sum[lanes], square[lanes];
    int count = 0;
};

/// A stretch of Winograd tiles of one block of channels in one row of tiles. A tile of `size` x `size` elements, 6 or 8, belongs to `size` - 2 results
/// each way and has `size` x `size` positions when it is transformed.
struct tile_row {
    int size = 6;
    int h = 0, w = 0;   ///< of the plane
    int y = 0, x = 0;   ///< of the first tile's first element in the plane; may lie outside, where the plane reads as 0
    int count = 0;
    std::ptrdiff_t position = 0; ///< elements between the positions of a transformed tile; tiles are 16 apart
};

struct output_reading {
    const float* bias = nullptr; ///< added first
    reading then{};              ///< scale, shift, ReLU
    bool accumulate = false;     ///< add to what is there, last
    bool stream = false;         ///< past the caches: for results too large to be there when they are read
    moments* statistics = nullptr;
    float* pooled = nullptr;     ///< Winograd's results: a plane of half the rows and columns, for the largest of each 2 x 2 as well
    bool pool_stream = false;
};

/// One row of a batch-norm's backward pass, 16 channels: g = dy, or where relu is set dy where z scale + shift > 0 and else 0.
struct norm_row {
    const float* z = nullptr;
    const float* dy = nullptr;
    int pixels = 0;
    const float* mean = nullptr;
    reading forward{};
};

struct row_table;

/// What a batch-norm's backward pass makes of 16 channels of a gradient, see norm_gradient.
struct norm_reading {
    const float* z = nullptr; ///< plane of the norm's input
    const float* mean = nullptr;
    const float* coefficients = nullptr;
    reading forward{};
};

struct kernel_table {
    const char* name = nullptr;
    void (*multiply)(const multiply_call&) = nullptr;
    void (*products)(const products_call&) = nullptr;

    /// Input tiles, from `plane` (h, w, 16), to positions: B^T x B.
    void (*winograd_input)(const float* plane, const tile_row&, const reading&, float* out) = nullptr;
    /// Positions to results in `plane` (h, w, 16): A^T m A.
    void (*winograd_output)(const float* in, const tile_row&, const output_reading&, float* plane) = nullptr;
    /// Output gradients, from `plane`, to positions: G dy G^T of F(3x3, ...). With a norm (else null) `plane` first becomes what its backward makes
    /// of it.
    void (*winograd_gradient)(float* plane, const tile_row&, const norm_reading* norm, float* out) = nullptr;
    /// 3x3 weights of 16 lanes, taps `step` elements apart, to positions `position` apart: G w G^T.
    void (*winograd_weight)(int size, const float* w, std::ptrdiff_t step, float* out, std::ptrdiff_t position) = nullptr;
    /// `parts` arrays of positions, `distance` apart, summed in order, to 3x3 weight gradients dw[tap][lane]: A^T u A of F(3x3, ...).
    void (*winograd_weight_gradient)(int size, const float* u, std::ptrdiff_t position, int parts, std::ptrdiff_t distance, float* dw) = nullptr;

    /// out = reading(in), or out += it.
    void (*read_row)(const float* in, int pixels, const reading&, float* out, bool accumulate) = nullptr;
    void (*moments_of_row)(const float* in, int pixels, moments&) = nullptr;
    /// sums += g and g (z - mean), 16 each.
    void (*norm_sums)(const norm_row&, float* sums) = nullptr;
    /// out (may be dy) = a g + b (z - mean) + c; a, b, c: 16 each, one after another.
    void (*norm_gradient)(const norm_row&, const float* coefficients, float* out, bool accumulate) = nullptr;

    /// out[j][i] = in[i][j] for i < rows, j < columns, both at most 16. Reads and writes nothing else.
    void (*transpose)(const float* in, std::ptrdiff_t in_row, int rows, int columns, float* out, std::ptrdiff_t out_row) = nullptr;

    const row_table* rows = nullptr; ///< see row_table.hpp
};

} // namespace umsrep::cpu_ops
