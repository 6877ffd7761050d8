// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>

#include <Eigen/Core>

namespace umsrep::reference_ops {

/// The tiles in which matrices are multiplied. They are bounds known to Eigen's types, and that buys three things at once:
/// Eigen keeps its packed copies of a tile on the stack (about 150 KB whatever the scalar) and never calls malloc; its blocking
/// depends on no cache size of the machine, so neither do the bits; and with at most 32 rows it never starts OpenMP threads of its
/// own inside our tasks, whatever the compiler's flags.
inline constexpr int tile_rows = 32;
inline constexpr int tile_depth = 128;
template <class T>
inline constexpr int tile_columns = std::max(16, 1024 / static_cast<int>(sizeof(T)));

enum class order { rows, columns }; ///< which index of a matrix runs over distant elements (the other one is contiguous)

namespace detail {
template <class T, order Order, int Rows, int Columns>
using bounded = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Order == order::rows ? Eigen::RowMajor : Eigen::ColMajor, Rows, Columns>;

template <class Matrix>
using tile = Eigen::Map<Matrix, Eigen::Unaligned, Eigen::OuterStride<>>;
} // namespace detail

/// A matrix in memory: the contiguous index, and the distance between neighbours along the other one.
template <class T, order Order>
struct matrix {
    T* data = nullptr;
    std::ptrdiff_t stride = 0;

    constexpr T* at(std::ptrdiff_t row, std::ptrdiff_t column) const {
        return data + (Order == order::rows ? row * stride + column : column * stride + row);
    }
};

/// C += A B with A (m, k), B (k, n), C (m, n), C stored by rows.
template <class T, order A, order B>
void multiply_add(std::ptrdiff_t m, std::ptrdiff_t n, std::ptrdiff_t k, matrix<const T, A> a, matrix<const T, B> b, matrix<T, order::rows> c) {
    constexpr int columns = tile_columns<T>;
    for (std::ptrdiff_t j = 0; j < n; j += columns)
        for (std::ptrdiff_t l = 0; l < k; l += tile_depth)
            for (std::ptrdiff_t i = 0; i < m; i += tile_rows) {
                const std::ptrdiff_t rows = std::min<std::ptrdiff_t>(tile_rows, m - i), width = std::min<std::ptrdiff_t>(columns, n - j),
                                     depth = std::min<std::ptrdiff_t>(tile_depth, k - l);
                detail::tile<const detail::bounded<T, A, tile_rows, tile_depth>> left(a.at(i, l), rows, depth, Eigen::OuterStride<>(a.stride));
                detail::tile<const detail::bounded<T, B, tile_depth, columns>> right(b.at(l, j), depth, width, Eigen::OuterStride<>(b.stride));
                detail::tile<detail::bounded<T, order::rows, tile_rows, columns>> result(c.at(i, j), rows, width, Eigen::OuterStride<>(c.stride));
                result.noalias() += left * right;
            }
}

} // namespace umsrep::reference_ops
