// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include <umsrep/backend/operands.hpp>
#include <umsrep/backend/reference/correlation.hpp>
#include <umsrep/backend/reference/matrix.hpp>
#include <umsrep/backend/reference/parallel.hpp>

namespace umsrep::reference_ops {

namespace detail {
/// `body(row, rows, column, columns)` for the blocks of a matrix.
template <class Body>
void for_blocks(thread_pool* pool, std::ptrdiff_t rows, std::ptrdiff_t columns, Body body) {
    constexpr std::ptrdiff_t height = tile_rows, width = 64;
    const std::ptrdiff_t across = ceil_div(columns, width);
    for_tasks(pool, ceil_div(rows, height) * across, [&](int task) {
        const std::ptrdiff_t row = task / across * height, column = task % across * width;
        body(row, std::min(height, rows - row), column, std::min(width, columns - column));
    });
}
} // namespace detail

/// out (N, O) = in (N, F) weight (O, F)^T + bias, a sample flattened to F = C * H * W features.
template <class T>
void forward_linear(const operands<T>& o) {
    const std::ptrdiff_t batch = o.out.n, outputs = o.n->out.c, features = o.n->in.size();
    detail::for_blocks(o.pool, batch, outputs, [&](std::ptrdiff_t i, std::ptrdiff_t rows, std::ptrdiff_t j, std::ptrdiff_t columns) {
        const matrix<T, order::rows> out{o.out.data + i * outputs + j, outputs};
        for (std::ptrdiff_t r = 0; r < rows; ++r)
            if (o.bias) std::copy_n(o.bias + j, columns, out.at(r, 0));
            else std::fill_n(out.at(r, 0), columns, T{0});
        multiply_add<T, order::rows, order::columns>(rows, columns, features, {o.in[0].data + i * features, features},
                                                     {o.weight + j * features, features}, out);
    });
}

/// grad_in = grad_out weight, grad_weight = grad_out^T in, grad_bias = sum over the batch. Reads in[0] only for grad_weight.
template <class T>
void backward_linear(const operands<T>& o) {
    const std::ptrdiff_t batch = o.grad_out.n, outputs = o.n->out.c, features = o.n->in.size();
    const auto clear = [](const matrix<T, order::rows>& m, std::ptrdiff_t rows, std::ptrdiff_t columns) {
        for (std::ptrdiff_t r = 0; r < rows; ++r) std::fill_n(m.at(r, 0), columns, T{0});
    };
    if (o.grad_in[0])
        detail::for_blocks(o.pool, batch, features, [&](std::ptrdiff_t i, std::ptrdiff_t rows, std::ptrdiff_t j, std::ptrdiff_t columns) {
            const matrix<T, order::rows> to{o.grad_in[0].data + i * features + j, features};
            if (!o.accumulate[0]) clear(to, rows, columns);
            multiply_add<T, order::rows, order::rows>(rows, columns, outputs, {o.grad_out.data + i * outputs, outputs}, {o.weight + j, features}, to);
        });
    if (o.grad_weight)
        detail::for_blocks(o.pool, outputs, features, [&](std::ptrdiff_t i, std::ptrdiff_t rows, std::ptrdiff_t j, std::ptrdiff_t columns) {
            const matrix<T, order::rows> to{o.grad_weight + i * features + j, features};
            clear(to, rows, columns);
            multiply_add<T, order::columns, order::rows>(rows, columns, batch, {o.grad_out.data + i, outputs}, {o.in[0].data + j, features}, to);
        });
    if (o.grad_bias) bias_gradient<T>(o.pool, o.grad_out.n, o.n->out.c, 1, o.grad_out.data, o.grad_bias);
}

} // namespace umsrep::reference_ops
