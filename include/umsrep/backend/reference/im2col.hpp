// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include <umsrep/backend/reference/parallel.hpp>
#include <umsrep/core/shape.hpp>

namespace umsrep::reference_ops {

/// A window sliding over an image: position (y, x) of the `rows` x `columns` positions sees, under tap (i, j), pixel
/// (y stride - padding + i dilation, x stride - padding + j dilation); outside of the image it sees zero.
/// Padding may be negative (the window then starts inside).
struct sliding_window {
    int height = 0, width = 0; ///< of the image
    int rows = 0, columns = 0; ///< of the positions
    extent kernel{1}, stride{1}, padding{0}, dilation{1};

    constexpr std::ptrdiff_t plane() const { return std::ptrdiff_t{height} * width; }
    constexpr std::ptrdiff_t positions() const { return std::ptrdiff_t{rows} * columns; }
    constexpr std::ptrdiff_t taps() const { return std::ptrdiff_t{kernel.h} * kernel.w; }
    /// The columns under the window are the image itself.
    constexpr bool is_identity() const {
        return kernel == extent{1} && stride == extent{1} && padding == extent{0} && rows == height && columns == width;
    }
};

/// The positions along one axis whose tap with this offset (tap * dilation - padding) falls inside the image: [first, last).
struct inside {
    int first, last;
    constexpr inside(int offset, int stride, int image, int positions)
        : first{offset >= 0 ? 0 : static_cast<int>(ceil_div(-offset, stride))},
          last{offset >= image ? 0 : std::min(positions, static_cast<int>(ceil_div(image - offset, stride)))} {}
};

/// Walks the part of the matrix "taps x positions" with rows [row, row + rows) = (channel, i, j) and columns [begin, end) =
/// positions. Calls `within(column, pixel, n)` for n neighbouring positions that see pixels `pixel`, `pixel + stride.w`, ... (counted
/// from the first of the image's channels), and `outside(column, n)` for n that see padding. Columns count from the part's corner;
/// both get the row as first argument.
template <class Within, class Outside>
void for_each_run(const sliding_window& s, std::ptrdiff_t row, std::ptrdiff_t rows, std::ptrdiff_t begin, std::ptrdiff_t end, Within within,
                  Outside outside) {
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
        const std::ptrdiff_t channel = (row + r) / s.taps();
        const int tap = static_cast<int>((row + r) % s.taps());
        const int dy = tap / s.kernel.w * s.dilation.h - s.padding.h, dx = tap % s.kernel.w * s.dilation.w - s.padding.w;
        const inside xs(dx, s.stride.w, s.width, s.columns);
        for (std::ptrdiff_t p = begin; p < end;) { // one line of positions, or what of it lies in [begin, end), at a time
            const int y = static_cast<int>(p / s.columns), x0 = static_cast<int>(p % s.columns);
            const int x1 = static_cast<int>(std::min<std::ptrdiff_t>(s.columns, x0 + (end - p)));
            const int iy = y * s.stride.h + dy;
            const bool seen = iy >= 0 && iy < s.height;
            const int first = seen ? std::clamp(xs.first, x0, x1) : x1, last = seen ? std::clamp(xs.last, first, x1) : x1;
            const std::ptrdiff_t column = p - begin;
            if (first > x0) outside(r, column, first - x0);
            if (last > first)
                within(r, column + (first - x0), channel * s.plane() + std::ptrdiff_t{iy} * s.width + (first * s.stride.w + dx), last - first);
            if (x1 > last) outside(r, column + (last - x0), x1 - last);
            p += x1 - x0;
        }
    }
}

/// col(r, p) = what position begin + p sees under row + r; `col` has `ld` elements per row.
template <class T>
void gather(const sliding_window& s, const T* image, std::ptrdiff_t row, std::ptrdiff_t rows, std::ptrdiff_t begin, std::ptrdiff_t end, T* col,
            std::ptrdiff_t ld) {
    for_each_run(
        s, row, rows, begin, end,
        [&](std::ptrdiff_t r, std::ptrdiff_t column, std::ptrdiff_t pixel, int n) {
            T* to = col + r * ld + column;
            const T* from = image + pixel;
            if (s.stride.w == 1) std::copy_n(from, n, to);
            else for (int i = 0; i < n; ++i) to[i] = from[std::ptrdiff_t{i} * s.stride.w];
        },
        [&](std::ptrdiff_t r, std::ptrdiff_t column, int n) { std::fill_n(col + r * ld + column, n, T{0}); });
}

/// The adjoint of `gather`: adds every col(r, p) to the pixel it was seen at.
template <class T>
void scatter_add(const sliding_window& s, const T* col, std::ptrdiff_t ld, std::ptrdiff_t row, std::ptrdiff_t rows, std::ptrdiff_t begin,
                 std::ptrdiff_t end, T* image) {
    for_each_run(
        s, row, rows, begin, end,
        [&](std::ptrdiff_t r, std::ptrdiff_t column, std::ptrdiff_t pixel, int n) {
            const T* from = col + r * ld + column;
            T* to = image + pixel;
            for (int i = 0; i < n; ++i) to[std::ptrdiff_t{i} * s.stride.w] += from[i];
        },
        [](std::ptrdiff_t, std::ptrdiff_t, int) {});
}

} // namespace umsrep::reference_ops
