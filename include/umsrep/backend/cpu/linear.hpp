// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include <umsrep/backend/cpu/correlation.hpp>
#include <umsrep/backend/cpu/sum_channels.hpp>

/// Dense layers: out (N, O) = in (N, F) weight (O, F)^T + bias, a sample flattened to F = C * H * W features. The weights are read once,
/// as they lie; what a batch shares of them stays in a core's cache meanwhile. All sums go over outputs, features or samples in an order
/// that the layer's shape alone decides: a sample's results do not depend on the batch it is in.
namespace umsrep::cpu_ops {

inline constexpr int linear_outputs = 2 * lanes; ///< of a task forward
inline constexpr int linear_features = 256;      ///< packed at a time: with as many outputs, 32 KB
inline constexpr int linear_rows = 64;           ///< of weights or their gradients, between which a backward task goes to and fro
inline constexpr int linear_columns = 512;       ///< of a backward task, at most

struct linear_plan {
    int batch = 1, outputs = 1, features = 1, workers = 1;

    constexpr int groups() const { return (outputs + linear_outputs - 1) / linear_outputs; }
    /// Parts of the sums over features: where outputs are few, these are tasks too.
    constexpr int pieces() const { return std::clamp(features / (4 * linear_features), 1, (16 + groups() - 1) / groups()); }
    constexpr int group_outputs(int group) const { return std::min(linear_outputs, outputs - group * linear_outputs); }
    constexpr std::ptrdiff_t sums() const { return std::ptrdiff_t{batch} * linear_outputs; } ///< of one piece of one group
    constexpr std::ptrdiff_t packed_unit() const { return linear_features * lanes + stagger; }
    constexpr int columns() const {
        return std::clamp((features / 16 + linear_outputs - 1) / linear_outputs * linear_outputs, linear_outputs, linear_columns);
    }
    constexpr int column_tasks() const { return (features + columns() - 1) / columns(); }
    constexpr int row_tasks() const { return (outputs + linear_rows - 1) / linear_rows; }
    constexpr int rest() const { return features % lanes; } ///< features beyond whole vectors
};

constexpr linear_plan plan_linear(const node& n, int batch, int threads) { return {batch, n.out.c, static_cast<int>(n.in.size()), threads}; }

constexpr std::ptrdiff_t linear_workspace(const node& n, int batch, int threads) {
    const linear_plan p = plan_linear(n, batch, threads);
    workspace_cursor forward, backward;
    forward.take(batch * n.in.size());
    forward.take(blocks_of(p.outputs) * lanes);
    forward.take(p.groups() * p.pieces() * p.sums());
    forward.take(threads * 2 * p.packed_unit());
    backward.take(batch * n.in.size());
    backward.take(std::ptrdiff_t{batch} * lanes);
    backward.take(std::ptrdiff_t{batch} * lanes);
    return std::max({forward.used(), backward.used(), sum_channels_workspace(n.out, batch)});
}

namespace detail {

constexpr bool lies_plainly(const parts<const float>& value) {
    return value.count == 1 && stored_dense(value[0].s) && value[0].norm == nullptr && !value[0].relu;
}

/// The input as a matrix (N, F): where it lies if it can be used as it is, else a copy.
inline const float* linear_input(const operands<float>& o, float* copy) {
    if (lies_plainly(o.sources[0])) return o.sources[0][0].data;
    const std::ptrdiff_t features = o.n->in.size();
    o.pool->run(o.in[0].n, [&](int n) { gather_dense(o.sources[0], n, copy + n * features); });
    return copy;
}

/// Distances of the terms of a sum.
constexpr std::array<std::ptrdiff_t, linear_rows> steps_of(std::ptrdiff_t distance) {
    std::array<std::ptrdiff_t, linear_rows> at{};
    for (std::size_t i = 0; i < at.size(); ++i) at[i] = static_cast<std::ptrdiff_t>(i) * distance;
    return at;
}

} // namespace detail

inline void forward_linear(const kernel_table& k, const operands<float>& o) {
    const linear_plan p = plan_linear(*o.n, o.out.n, o.pool->threads());
    workspace_cursor cursor(o.workspace);
    const float* const in = detail::linear_input(o, cursor.take(p.batch * std::ptrdiff_t{p.features}));
    const float* const bias = padded_bias(o.bias, p.outputs, cursor.take(blocks_of(p.outputs) * lanes));
    float* const sums = cursor.take(p.groups() * p.pieces() * p.sums());
    float* const memory = cursor.take(0);

    o.pool->run(p.groups() * p.pieces(), [&](int task, int worker) {
        const int group = task % p.groups(), piece = task / p.groups(), outputs = p.group_outputs(group);
        const share range(p.features, p.pieces(), piece);
        const float* const rows = o.weight + std::ptrdiff_t{group} * linear_outputs * p.features;
        float* const packed = memory + worker * 2 * p.packed_unit();
        static constexpr std::ptrdiff_t start = 0;
        multiply_call m;
        m.a_pixel = p.features;
        m.a_offset = m.b_offset = &start;
        m.b = packed;
        m.b_unit = p.packed_unit();
        m.blocks = 1;
        m.c = sums + task * p.sums();
        m.c_unit = std::ptrdiff_t{p.batch} * lanes;
        m.pixels = p.batch;
        m.units = blocks_of(outputs);
        m.bias = piece == 0 && bias != nullptr ? bias + group * linear_outputs : nullptr;
        if (outputs % lanes != 0) std::fill_n(packed + outputs / lanes * m.b_unit, linear_features * lanes, 0.0f);
        for (int f = range.begin; f < range.end; f += linear_features) {
            m.inner = std::min(linear_features, range.end - f);
            for (int first = 0; first < outputs; first += lanes)
                for (int i = 0; i < m.inner; i += lanes)
                    k.transpose(rows + std::ptrdiff_t{first} * p.features + f + i, p.features, std::min(lanes, outputs - first),
                                std::min(lanes, m.inner - i), packed + first / lanes * m.b_unit + i * lanes, lanes);
            m.a = in + f;
            k.multiply(m);
            m.accumulate = true;
        }
    });
    o.pool->run(p.groups(), [&](int group) {
        float* const total = sums + group * p.sums();
        const int outputs = p.group_outputs(group);
        for (int piece = 1; piece < p.pieces(); ++piece)
            k.read_row(total + piece * p.groups() * p.sums(), p.batch * blocks_of(outputs), {}, total, true);
        for (int n = 0; n < p.batch; ++n)
            for (int first = 0; first < outputs; first += lanes)
                std::copy_n(total + (std::ptrdiff_t{first} / lanes * p.batch + n) * lanes, std::min(lanes, outputs - first),
                            o.out.data + std::ptrdiff_t{n} * p.outputs + group * linear_outputs + first);
    });
}

/// grad_in = grad_out weight.
inline void linear_data_gradient(const kernel_table& k, const linear_plan& p, const operands<float>& o, workspace_cursor cursor) {
    parts<float> sink = o.sinks[0];
    const bool plain = sink.count == 1 && stored_dense(sink[0].s) && sink[0].data != nullptr;
    float* const copy = cursor.take(p.batch * std::ptrdiff_t{p.features});
    float* const rest = cursor.take(std::ptrdiff_t{p.batch} * lanes);
    float* const dx = plain ? sink[0].data : copy;
    const bool accumulate = plain && sink[0].accumulate;
    static constexpr std::array<std::ptrdiff_t, linear_rows> neighbours = detail::steps_of(1), packed_rows = detail::steps_of(lanes);
    const std::array<std::ptrdiff_t, linear_rows> rows = detail::steps_of(p.features);

    o.pool->run(p.column_tasks(), [&](int task) {
        const int first = task * p.columns(), count = std::min(p.columns(), p.features - first), whole_blocks = count / lanes;
        alignas(64) float packed[linear_rows * lanes] = {};
        for (int row = 0; row < p.outputs; row += linear_rows) {
            multiply_call m;
            m.blocks = std::min(linear_rows, p.outputs - row);
            m.a = o.grad_out.data + row;
            m.a_pixel = p.outputs;
            m.a_offset = neighbours.data();
            m.inner = 1;
            m.pixels = p.batch;
            m.b = o.weight + std::ptrdiff_t{row} * p.features + first;
            m.b_offset = rows.data();
            m.b_unit = lanes;
            m.c = dx + first;
            m.c_pixel = p.features;
            m.c_unit = lanes;
            m.units = whole_blocks;
            m.accumulate = row > 0 || accumulate;
            const int then = std::min(linear_rows, p.outputs - row - m.blocks);
#ifndef NO_AHEAD
            if (then > 0) m.next = {m.b + std::ptrdiff_t{linear_rows} * p.features, whole_blocks, then, p.features};
#endif
            k.multiply(m);
            if (count % lanes == 0) continue;
            const float* const last = m.b + whole_blocks * lanes;
            for (int i = 0; i < m.blocks; ++i) std::copy_n(last + i * std::ptrdiff_t{p.features}, p.rest(), packed + i * lanes);
            m.b = packed;
            m.b_offset = packed_rows.data();
            m.c = rest;
            m.c_pixel = lanes;
            m.units = 1;
            m.accumulate = row > 0;
            m.next = {};
            k.multiply(m);
        }
        if (count % lanes == 0) return;
        for (int n = 0; n < p.batch; ++n)
            for (int i = 0; i < p.rest(); ++i) {
                float& to = dx[n * std::ptrdiff_t{p.features} + first + whole_blocks * lanes + i];
                to = accumulate ? to + rest[n * lanes + i] : rest[n * lanes + i];
            }
    });
    if (!plain) o.pool->run(p.batch, [&](int n) { scatter_dense(dx + n * std::ptrdiff_t{p.features}, sink, n); });
}

/// grad_weight = grad_out^T in.
inline void linear_weight_gradient(const kernel_table& k, const linear_plan& p, const operands<float>& o, workspace_cursor cursor) {
    const float* const in = detail::linear_input(o, cursor.take(p.batch * std::ptrdiff_t{p.features}));
    float* const rest = cursor.take(std::ptrdiff_t{p.batch} * lanes);
    if (p.rest() > 0)
        for (int n = 0; n < p.batch; ++n)
            for (int i = 0; i < lanes; ++i) rest[n * lanes + i] = i < p.rest() ? in[n * std::ptrdiff_t{p.features} + p.features - p.rest() + i] : 0.0f;
    o.pool->run(p.row_tasks() * p.column_tasks(), [&](int task) {
        const int first = task % p.column_tasks() * p.columns(), count = std::min(p.columns(), p.features - first), whole_blocks = count / lanes;
        const int first_row = task / p.column_tasks() * linear_rows, last_row = std::min(p.outputs, first_row + linear_rows);
        products_call m;
        m.a_pixel = p.outputs;
        m.pixels = p.batch;
        m.accumulate = false;
#ifndef RS
#define RS 8
#endif
        for (int row = first_row; row < last_row; row += RS) {
            m.channels = std::min(RS, last_row - row);
            m.a = o.grad_out.data + row;
            m.b = in + first;
            m.b_pixel = p.features;
            m.b_unit = lanes;
            m.c = o.grad_weight + std::ptrdiff_t{row} * p.features + first;
            m.c_channel = p.features;
            m.c_unit = lanes;
            m.units = whole_blocks;
            k.products(m);
            if (count % lanes == 0) continue;
            alignas(64) float columns[linear_rows * lanes];
            float* const to = m.c + whole_blocks * lanes;
            m.b = rest;
            m.b_pixel = lanes;
            m.c = columns;
            m.c_channel = lanes;
            m.units = 1;
            k.products(m);
            for (int i = 0; i < m.channels; ++i) std::copy_n(columns + i * lanes, p.rest(), to + i * std::ptrdiff_t{p.features});
        }
    });
}

/// grad_in = grad_out weight, grad_weight = grad_out^T in, grad_bias = sum over the batch. Reads in[0] only for grad_weight.
inline void backward_linear(const kernel_table& k, const operands<float>& o) {
    const linear_plan p = plan_linear(*o.n, o.out.n, o.pool->threads());
    const workspace_cursor cursor(o.workspace);
    if (o.grad_weight != nullptr) linear_weight_gradient(k, p, o, cursor);
    if (o.grad_bias != nullptr)
        sum_channels(k, whole(static_cast<const float*>(o.grad_out.data), o.n->out), o.n->out, p.batch, *o.pool, o.workspace, o.grad_bias);
    if (o.sinks[0]) linear_data_gradient(k, p, o, cursor);
}

} // namespace umsrep::cpu_ops
