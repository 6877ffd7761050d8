// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include <umsrep/backend/cpu/correlation.hpp>
#include <umsrep/backend/cpu/sum_channels.hpp>

/// Dense layers: out (N, O) = in (N, F) weight (O, F)^T + bias, a sample flattened to F = C * H * W features. The weights of a large one
/// come from memory, so each pass goes through them, or through their gradient, once and in rows. Sums are cut by the layer's shape alone:
/// a sample's results and gradients do not depend on the batch it is in.
namespace umsrep::cpu_ops {

inline constexpr int linear_outputs = 2 * lanes; ///< of a task forward
inline constexpr int linear_features = 256;      ///< that it packs at a time: the weights of both stay in the nearest cache
inline constexpr int linear_rows = 32;           ///< of weights that a backward task reads side by side
inline constexpr int linear_columns = 1024;      ///< of them, at most
inline constexpr int linear_written = 8;         ///< rows of their gradient that are written side by side

struct linear_plan {
    int batch = 1, outputs = 1, features = 1;

    constexpr int groups() const { return (outputs + linear_outputs - 1) / linear_outputs; }
    /// Parts of the sums over features, tasks too: where outputs are few there is else nothing to share among threads.
    constexpr int pieces() const { return std::clamp(features / (4 * linear_features), 1, (16 + groups() - 1) / groups()); }
    constexpr int group_outputs(int group) const { return std::min(linear_outputs, outputs - group * linear_outputs); }
    constexpr std::ptrdiff_t sums() const { return std::ptrdiff_t{batch} * linear_outputs; } ///< of a piece and group
    constexpr std::ptrdiff_t packed_unit() const { return linear_features * lanes + stagger; }

    /// Of a backward task: whole vectors, and about 16 tasks where features are few.
    constexpr int columns() const { return std::clamp((features / 16 + lanes - 1) / lanes * lanes, 2 * lanes, linear_columns); }
    constexpr int column_tasks() const { return (features + columns() - 1) / columns(); }
    constexpr int row_tasks() const { return (outputs + linear_rows - 1) / linear_rows; }
    constexpr int rest() const { return features % lanes; } ///< features behind the last whole vector
    constexpr std::ptrdiff_t inputs() const { return std::ptrdiff_t{batch} * features; }
};

constexpr linear_plan plan_linear(const node& n, int batch) { return {batch, n.out.c, static_cast<int>(n.in.size())}; }

constexpr std::ptrdiff_t linear_workspace(const node& n, int batch, int threads) {
    const linear_plan p = plan_linear(n, batch);
    workspace_cursor forward, backward;
    forward.take(p.inputs());
    forward.take(blocks_of(p.outputs) * lanes);
    forward.take(p.groups() * p.pieces() * p.sums());
    forward.take(threads * 2 * p.packed_unit());
    backward.take(p.inputs());
    backward.take(std::ptrdiff_t{batch} * lanes);
    return std::max({forward.used(), backward.used(), sum_channels_workspace(n.out, batch)});
}

namespace detail {

/// The input as a matrix (N, F): where it lies if it can be used as it is, else a copy.
inline const float* linear_input(const operands<float>& o, const linear_plan& p, float* copy) {
    const parts<const float>& in = o.sources[0];
    if (in.count == 1 && stored_dense(in[0].s) && in[0].norm == nullptr && !in[0].relu) return in[0].data;
    o.pool->run(p.batch, [&](int n) { gather_dense(in, n, copy + n * std::ptrdiff_t{p.features}); });
    return copy;
}

/// Where the terms of a sum begin, `distance` apart.
constexpr std::array<std::ptrdiff_t, linear_rows> linear_offsets(std::ptrdiff_t distance) {
    std::array<std::ptrdiff_t, linear_rows> offset{};
    for (int i = 0; i < linear_rows; ++i) offset[static_cast<std::size_t>(i)] = i * distance;
    return offset;
}
inline constexpr std::array neighbours = linear_offsets(1), packed_rows = linear_offsets(lanes);

/// Sums over some of the features for a group of outputs, [unit][sample][lane]. Their rows of weights become columns on the way.
inline void linear_sums(const kernel_table& k, const linear_plan& p, const float* in, const float* weight, const float* bias, int outputs,
                        share features, float* packed, float* sums) {
    multiply_call m;
    m.a_pixel = p.features;
    m.a_offset = m.b_offset = neighbours.data();
    m.b = packed;
    m.b_unit = p.packed_unit();
    m.blocks = 1;
    m.c = sums;
    m.c_unit = std::ptrdiff_t{p.batch} * lanes;
    m.pixels = p.batch;
    m.units = blocks_of(outputs);
    m.bias = bias;
    if (outputs % lanes != 0) std::fill_n(packed + outputs / lanes * m.b_unit, linear_features * lanes, 0.0f);
    for (int f = features.begin; f < features.end; f += linear_features) {
        m.inner = std::min(linear_features, features.end - f);
        for (int first = 0; first < outputs; first += lanes) {
            const float* const rows = weight + std::ptrdiff_t{first} * p.features + f;
            float* const to = packed + first / lanes * m.b_unit;
            for (int i = 0; i < m.inner; i += lanes)
                k.transpose(rows + i, p.features, std::min(lanes, outputs - first), std::min(lanes, m.inner - i), to + i * lanes, lanes);
        }
        m.a = in + f;
        k.multiply(m);
        m.accumulate = true;
    }
}

} // namespace detail

inline void forward_linear(const kernel_table& k, const operands<float>& o) {
    const linear_plan p = plan_linear(*o.n, o.out.n);
    workspace_cursor cursor(o.workspace);
    const float* const in = detail::linear_input(o, p, cursor.take(p.inputs()));
    const float* const bias = padded_bias(o.bias, p.outputs, cursor.take(blocks_of(p.outputs) * lanes));
    float* const sums = cursor.take(p.groups() * p.pieces() * p.sums());
    float* const packed = cursor.take(0);

    o.pool->run(p.groups() * p.pieces(), [&](int task, int worker) {
        const int group = task % p.groups(), piece = task / p.groups(), first = group * linear_outputs;
        const float* const start = piece == 0 && bias != nullptr ? bias + first : nullptr;
        detail::linear_sums(k, p, in, o.weight + std::ptrdiff_t{first} * p.features, start, p.group_outputs(group),
                            share(p.features, p.pieces(), piece), packed + worker * 2 * p.packed_unit(), sums + task * p.sums());
    });
    o.pool->run(p.groups(), [&](int group) {
        const int outputs = p.group_outputs(group);
        float* const total = sums + group * p.sums();
        for (int piece = 1; piece < p.pieces(); ++piece)
            k.read_row(total + piece * p.groups() * p.sums(), p.batch * blocks_of(outputs), {}, total, true);
        for (int n = 0; n < p.batch; ++n)
            for (int first = 0; first < outputs; first += lanes)
                std::copy_n(total + (std::ptrdiff_t{first / lanes} * p.batch + n) * lanes, std::min(lanes, outputs - first),
                            o.out.data + std::ptrdiff_t{n} * p.outputs + group * linear_outputs + first);
    });
}

/// grad_in = grad_out weight: the rows of weights where they lie, each times its element of grad_out.
inline void linear_data_gradient(const kernel_table& k, const linear_plan& p, const operands<float>& o) {
    workspace_cursor cursor(o.workspace);
    const part<float>& sink = o.sinks[0][0];
    const bool in_place = o.sinks[0].count == 1 && stored_dense(sink.s) && sink.data != nullptr;
    float* const copy = cursor.take(p.inputs());
    float* const rest = cursor.take(std::ptrdiff_t{p.batch} * lanes);
    float* const dx = in_place ? sink.data : copy;
    const bool accumulate = in_place && sink.accumulate;
    const std::ptrdiff_t row_step = p.features;
    const std::array weight_rows = detail::linear_offsets(row_step);

    o.pool->run(p.column_tasks(), [&](int task) {
        const int first = task * p.columns(), count = std::min(p.columns(), p.features - first), vectors = count / lanes;
        const bool has_rest = count % lanes != 0;
        alignas(64) float packed[linear_rows * lanes] = {};
        for (int row = 0; row < p.outputs; row += linear_rows) {
            multiply_call m;
            m.a = o.grad_out.data + row;
            m.a_pixel = p.outputs;
            m.a_offset = detail::neighbours.data();
            m.b = o.weight + row * row_step + first;
            m.b_offset = weight_rows.data();
            m.b_unit = lanes;
            m.blocks = std::min(linear_rows, p.outputs - row);
            m.inner = 1;
            m.c = dx + first;
            m.c_pixel = p.features;
            m.c_unit = lanes;
            m.pixels = p.batch;
            m.units = vectors;
            m.accumulate = row > 0 || accumulate;
            const int left = p.outputs - row - m.blocks;
            if (left > 0) m.next = {m.b + linear_rows * row_step, vectors, std::min(linear_rows, left), row_step};
            k.multiply(m);
            if (!has_rest) continue;
            for (int i = 0; i < m.blocks; ++i) std::copy_n(m.b + i * row_step + vectors * lanes, p.rest(), packed + i * lanes);
            m.b = packed;
            m.b_offset = detail::packed_rows.data();
            m.c = rest;
            m.c_pixel = lanes;
            m.units = 1;
            m.accumulate = row > 0;
            m.next = {};
            k.multiply(m);
        }
        if (!has_rest) return;
        for (int n = 0; n < p.batch; ++n)
            for (int i = 0; i < p.rest(); ++i) {
                float& to = dx[n * row_step + first + vectors * lanes + i];
                to = accumulate ? to + rest[n * lanes + i] : rest[n * lanes + i];
            }
    });
    if (!in_place) o.pool->run(p.batch, [&](int n) { scatter_dense(dx + n * row_step, o.sinks[0], n); });
}

/// grad_weight = grad_out^T in.
inline void linear_weight_gradient(const kernel_table& k, const linear_plan& p, const operands<float>& o) {
    workspace_cursor cursor(o.workspace);
    const float* const in = detail::linear_input(o, p, cursor.take(p.inputs()));
    float* const rest = cursor.take(std::ptrdiff_t{p.batch} * lanes);
    const std::ptrdiff_t row_step = p.features;
    std::fill_n(rest, std::ptrdiff_t{p.batch} * lanes, 0.0f);
    for (int n = 0; n < p.batch; ++n) std::copy_n(in + (n + 1) * row_step - p.rest(), p.rest(), rest + n * lanes);

    o.pool->run(p.row_tasks() * p.column_tasks(), [&](int task) {
        const int first = task % p.column_tasks() * p.columns(), count = std::min(p.columns(), p.features - first), vectors = count / lanes;
        const int first_row = task / p.column_tasks() * linear_rows, last_row = std::min(p.outputs, first_row + linear_rows);
        for (int row = first_row; row < last_row; row += linear_written) {
            float* const to = o.grad_weight + row * row_step + first;
            products_call m;
            m.a = o.grad_out.data + row;
            m.a_pixel = p.outputs;
            m.b = in + first;
            m.b_pixel = p.features;
            m.b_unit = lanes;
            m.pixels = p.batch;
            m.c = to;
            m.c_channel = p.features;
            m.c_unit = lanes;
            m.channels = std::min(linear_written, last_row - row);
            m.units = vectors;
            m.accumulate = false;
            k.products(m);
            if (count % lanes == 0) continue;
            alignas(64) float columns[linear_written * lanes];
            m.b = rest;
            m.b_pixel = lanes;
            m.c = columns;
            m.c_channel = lanes;
            m.units = 1;
            k.products(m);
            for (int i = 0; i < m.channels; ++i) std::copy_n(columns + i * lanes, p.rest(), to + i * row_step + vectors * lanes);
        }
    });
}

/// grad_in = grad_out weight, grad_weight = grad_out^T in, grad_bias = sum over the batch. Reads the input only for grad_weight.
inline void backward_linear(const kernel_table& k, const operands<float>& o) {
    const linear_plan p = plan_linear(*o.n, o.out.n);
    if (o.grad_weight != nullptr) linear_weight_gradient(k, p, o);
    if (o.grad_bias != nullptr) sum_dense_channels(k, o.grad_out.data, o.n->out, p.batch, *o.pool, o.workspace, o.grad_bias);
    if (o.sinks[0]) linear_data_gradient(k, p, o);
}

} // namespace umsrep::cpu_ops
