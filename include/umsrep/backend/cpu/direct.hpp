// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include <umsrep/backend/cpu/direct_plan.hpp>
#include <umsrep/backend/cpu/direct_rows.hpp>

/// Convolutions of any kernel, stride, dilation and grouping by the sum that defines them. Each task packs the rows it reads, padded and as
/// a deferred norm would have them, and then walks the results row by row with the sums in registers.
namespace umsrep::cpu_ops {

/// Weights of block `unit` of results, see weight_at: of each block of input and tap [channel][lane], zero between groups.
inline void pack_weights(const kernel_table& k, const direct_plan& p, const pass& c, int unit, float* out) {
    const int first = p.first_block(unit), results = std::min(lanes, c.to().c - unit * lanes);
    const std::ptrdiff_t per_group = c.map.wide.c / c.map.groups;
    if (c.map.groups > 1 || results < lanes || c.from().c % p.inner != 0)
        std::fill_n(out, std::ptrdiff_t{p.reach} * p.taps * p.inner * lanes, 0.0f);
    for (int b = 0; b < p.blocks(unit); ++b) {
        const int channels = std::min(p.inner, c.from().c - (first + b) * lanes);
        if (c.map.groups > 1) {
            for (int tap = 0; tap < p.taps; ++tap)
                for (int i = 0; i < channels; ++i)
                    for (int l = 0; l < results; ++l) {
                        const int channel = (first + b) * lanes + i, result = unit * lanes + l;
                        if (channel / p.group_in != result / p.group_out) continue;
                        const std::ptrdiff_t narrow = c.adjoint ? channel : result, wide = (c.adjoint ? result : channel) % per_group;
                        out[p.weight_at(b, tap) + i * lanes + l] = c.weight[(narrow * per_group + wide) * p.taps + tap];
                    }
        } else if (c.adjoint) { // a matrix of results x taps for each channel
            for (int i = 0; i < channels; ++i) {
                // Rows are too far apart for the processor to see what comes next.
                const std::ptrdiff_t soon = std::min((first + b) * lanes + i + 8, c.from().c - 1);
                const float* const row = c.weight + (soon * per_group + unit * lanes) * p.taps;
                for (int at = 0; at < results * p.taps; at += lanes) __builtin_prefetch(row + at);
                for (int tap = 0; tap < p.taps; tap += lanes)
                    k.transpose(c.weight + (((first + b) * lanes + i) * per_group + unit * lanes) * p.taps + tap, p.taps, results, std::min(lanes, p.taps - tap),
                                out + p.weight_at(b, tap) + i * lanes, p.weight_at(0, 1) - p.weight_at(0, 0));
            }
        } else { // a matrix of results x (channels x taps), whose columns go to [tap][channel]
            alignas(64) float columns[lanes * lanes];
            const float* const rows = c.weight + (unit * lanes * per_group + (first + b) * lanes) * p.taps;
            for (int i = 0; i < channels * p.taps; i += lanes) {
                const int count = std::min(lanes, channels * p.taps - i);
                k.transpose(rows + i, per_group * p.taps, results, count, columns, lanes);
                for (int j = 0; j < count; ++j)
                    std::copy_n(columns + j * lanes, results, out + p.weight_at(b, (i + j) % p.taps) + (i + j) / p.taps * lanes);
            }
        }
    }
}

constexpr int direct_statistics_rows(const direct_plan& p) { return p.samples * p.bands; }

/// One row of results of a phase, from 16-channel sums to where they are stored as plain planes.
inline void store_dense_row(const float* sums, int count, int step, int channels, std::ptrdiff_t plane, bool accumulate, float* out) {
    for (int c = 0; c < channels; ++c)
        for (int x = 0; x < count; ++x) {
            float& v = out[c * plane + std::ptrdiff_t{x} * step];
            v = accumulate ? v + sums[std::ptrdiff_t{x} * lanes + c] : sums[std::ptrdiff_t{x} * lanes + c];
        }
}

/// Bias is in the sums already: scale, shift and ReLU of one row of a dense result.
inline void finish_dense_row(const reading& then, int width, int channels, std::ptrdiff_t plane, float* row) {
    for (int c = 0; c < channels; ++c)
        for (int x = 0; x < width; ++x) {
            float& v = row[c * plane + x];
            if (then.scale != nullptr) v = v * then.scale[c] + then.shift[c];
            if (then.relu && v <= 0) v = 0;
        }
}

inline void direct_pass(const kernel_table& k, const pass& c) {
    const direct_plan p = plan_direct(c.map, c.adjoint, c.pool->threads());
    const shape from = c.from(), to = c.to();
    workspace_cursor cursor(c.workspace);
    const float* const bias = padded_bias(c.bias, to.c, cursor.take(p.out * lanes));
    float* const weights = cursor.take(p.out * p.weight_unit());
    float* const memory = cursor.take(0);
    c.pool->run(p.out, [&](int unit) { pack_weights(k, p, c, unit, weights + unit * p.weight_unit()); });

    const bool as_it_lies = !stored_dense(from) && c.in.count == 1 && c.in[0].norm == nullptr && p.y.stays_inside() && p.x.stays_inside();
    const bool finishes = c.then.scale != nullptr || c.then.relu || c.statistics != nullptr;
    const bool streams = !finishes && !p.result_dense && c.map.batch * stored_elements(to) > streamed_elements;
    // Few tasks are cut further, along the blocks of results: that repeats the packing, and changes no sum.
    const int tasks = p.samples * p.bands, groups_of_units = (p.out + 1) / 2;
    const int splits = std::clamp((2 * p.workers + tasks - 1) / tasks, 1, groups_of_units);
    c.pool->run(tasks * splits, [&](int i, int worker) {
        const int task = i / splits, sample = task / p.bands, first_step = task % p.bands * p.band;
        const share units_of(groups_of_units, splits, i % splits);
        const int first_unit = 2 * units_of.begin, last_unit = std::min(p.out, 2 * units_of.end);
        workspace_cursor mine(memory + worker * p.worker());
        float* const packed = mine.take(p.packed());
        float* const row = mine.take(p.result_row());
        auto* const in_offset = reinterpret_cast<std::ptrdiff_t*>(mine.take(2 * p.table() * direct_plan::offset_elements));
        std::ptrdiff_t* const weight_offset = in_offset + p.table();

        const int y0 = first_step * p.y.in_step + p.y.first_shift(), steps = std::min(p.band, p.steps() - first_step);
        const float* rows = packed;
        std::ptrdiff_t row_size = p.packed_row(), block_size = p.packed_block();
        if (as_it_lies) {
            row_size = std::ptrdiff_t{from.w} * lanes;
            block_size = from.plane() * lanes;
            rows = block_plane(c.in[0].data, from, sample, 0) + y0 * row_size + p.x.first_shift() * lanes;
        } else {
            for (int b = 0; b < p.in; ++b)
                pack_rows(k, c.in, from, sample, b, y0, (steps - 1) * p.y.in_step + p.rows_of_step(), p.x.first_shift(), p.columns(), p.pixel(),
                          packed + b * p.packed_block());
        }

        for (int phase = 0; phase < p.y.phases() * p.x.phases(); ++phase) {
            const int py = phase / p.x.phases(), px = phase % p.x.phases(), count = p.x.count(px);
            for (int unit = first_unit; unit < last_unit;) {
                // Two blocks of results at a time, where they read the same input and lie in the same part.
                const located<float> sink = p.result_dense ? located<float>{c.out[0].data, {}, c.out[0].accumulate} : locate(c.out, sample, unit);
                const bool paired = unit + 1 < last_unit && c.map.groups == 1 && !p.result_dense &&
                                    !(c.out.count == 2 && unit + 1 == blocks_of(c.out[0].s.c));
                const int units = paired ? 2 : 1;
                if (sink.plane == nullptr) {
                    unit += units;
                    continue;
                }
                int blocks = 0;
                for (int b = 0; b < p.blocks(unit); ++b)
                    for (int ty = 0; ty < p.y.taps; ++ty)
                        for (int tx = 0; tx < p.x.taps; ++tx) {
                            if (!p.y.reached(py, ty) || !p.x.reached(px, tx)) continue;
                            in_offset[blocks] = (p.first_block(unit) + b) * block_size + (p.y.shift(py, ty) - p.y.first_shift()) * row_size +
                                                std::ptrdiff_t{p.x.shift(px, tx) - p.x.first_shift()} * p.pixel();
                            weight_offset[blocks] = p.weight_at(b, ty * p.x.taps + tx);
                            ++blocks;
                        }
                multiply_call m;
                m.a_offset = in_offset;
                m.a_pixel = std::ptrdiff_t{p.x.in_step} * p.pixel();
                m.b = weights + unit * p.weight_unit();
                m.b_unit = p.weight_unit();
                m.b_offset = weight_offset;
                m.blocks = blocks;
                m.inner = p.inner;
                m.pixels = count;
                m.units = units;
                m.bias = bias == nullptr ? nullptr : bias + unit * lanes;
                m.accumulate = sink.accumulate && !p.result_dense;
                m.stream = streams && !m.accumulate;
                for (int step = 0; step < steps && count > 0; ++step) {
                    const int y = py + p.y.out_step * (first_step + step);
                    if (y >= to.h) break;
                    if (as_it_lies && phase == 0 && unit == first_unit) { // what the next step reads and this one did not
                        const int next = y0 + step * p.y.in_step + p.rows_of_step(), last = std::min(from.h, next + p.y.in_step);
                        m.next = {rows + (step * p.y.in_step + p.rows_of_step()) * row_size, std::max(0, last - next) * from.w, p.in, block_size};
                    }
                    m.a = rows + step * p.y.in_step * row_size;
                    if (p.result_dense) {
                        m.c = row;
                        k.multiply(m);
                        const int channels = std::min(lanes, to.c - unit * lanes);
                        store_dense_row(row, count, p.x.out_step, channels, to.plane(), sink.accumulate,
                                        c.out[0].data + sample * to.size() + unit * lanes * to.plane() + std::ptrdiff_t{y} * to.w + px);
                    } else {
                        m.c = sink.plane + (std::ptrdiff_t{y} * to.w + px) * lanes;
                        m.c_pixel = std::ptrdiff_t{p.x.out_step} * lanes;
                        m.c_unit = to.plane() * lanes;
                        k.multiply(m);
                    }
                }
                unit += units;
            }
        }

        if (!finishes) return;
        const bool changes = c.then.scale != nullptr || c.then.relu;
        const int first_row = first_step * p.y.out_step, last_row = std::min(to.h, (first_step + steps) * p.y.out_step);
        for (int unit = first_unit; unit < last_unit; ++unit) {
            const reading then{c.then.scale == nullptr ? nullptr : c.then.scale + unit * lanes, c.then.scale == nullptr ? nullptr : c.then.shift + unit * lanes, c.then.relu};
            if (p.result_dense) {
                for (int y = first_row; y < last_row; ++y)
                    finish_dense_row(then, to.w, std::min(lanes, to.c - unit * lanes), to.plane(),
                                     c.out[0].data + sample * to.size() + unit * lanes * to.plane() + std::ptrdiff_t{y} * to.w);
                continue;
            }
            float* const plane = locate(c.out, sample, unit).plane + std::ptrdiff_t{first_row} * to.w * lanes;
            const int pixels = (last_row - first_row) * to.w;
            if (changes) k.read_row(plane, pixels, then, plane, false);
            if (c.statistics == nullptr) continue;
            moments& s = c.statistics[std::ptrdiff_t{task} * p.out + unit];
            s.count = 0;
            k.moments_of_row(plane, pixels, s);
        }
    });
}

} // namespace umsrep::cpu_ops
