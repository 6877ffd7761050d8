// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include <umsrep/backend/cpu/correlation.hpp>

/// Convolutions of any kernel, stride, dilation and grouping by the sum that defines them. Each task packs the rows it reads, padded and as
/// a deferred norm would have them, and then walks the results row by row with the sums in registers.
///
/// An adjoint with stride s falls into s x s phases of results, each of which is a plain correlation with some of the taps.
namespace umsrep::cpu_ops {

/// How results along one axis are made: result `phase` + out_step m reads source in_step m + shift of its tap.
struct direct_axis {
    int results = 0, source = 0;
    int out_step = 1, in_step = 1;
    int taps = 1, padding = 0, dilation = 1;
    bool adjoint = false;

    constexpr int phases() const { return out_step; }
    constexpr int count(int phase) const { return phase < results ? (results - phase + out_step - 1) / out_step : 0; }
    constexpr bool reached(int phase, int tap) const { return !adjoint || (phase + padding - tap * dilation) % out_step == 0; }
    constexpr int shift(int phase, int tap) const {
        return adjoint ? (phase + padding - tap * dilation) / out_step : tap * dilation - padding;
    }
    /// The least and the greatest shift of any tap that some phase reads.
    constexpr int first_shift() const { return extreme(-1); }
    constexpr int last_shift() const { return extreme(1); }
    /// No result reads beyond the source.
    constexpr bool stays_inside() const { return first_shift() >= 0 && (count(0) - 1) * in_step + last_shift() < source; }

private:
    constexpr int extreme(int sign) const {
        int found = 0;
        bool any = false;
        for (int phase = 0; phase < out_step; ++phase)
            for (int tap = 0; tap < taps; ++tap) {
                if (!reached(phase, tap) || (any && sign * shift(phase, tap) <= sign * found)) continue;
                found = shift(phase, tap);
                any = true;
            }
        return found;
    }
};

struct direct_plan {
    direct_axis y{}, x{};
    int in = 0, out = 0;       ///< blocks of channels
    int inner = lanes;         ///< channels of a block that are summed
    int reach = 0;             ///< blocks of input that one block of results reads: fewer than `in` when there are groups
    int group_in = 0, group_out = 0;
    int taps = 1;
    int band = 1, bands = 1;   ///< steps m of a task, tasks of a sample
    int samples = 1, workers = 1;
    bool result_dense = false, source_dense = false;

    constexpr int rows_of_step() const { return y.last_shift() - y.first_shift() + 1; }
    constexpr int rows() const { return (band - 1) * y.in_step + rows_of_step(); }
    constexpr int columns() const { return (std::max(1, x.count(0)) - 1) * x.in_step + x.last_shift() - x.first_shift() + 1; }
    constexpr int pixel() const { return source_dense ? inner : lanes; }
    constexpr std::ptrdiff_t packed_row() const { return std::ptrdiff_t{columns()} * pixel(); }
    constexpr std::ptrdiff_t packed_block() const { return rows() * packed_row() + stagger; }
    constexpr std::ptrdiff_t packed() const { return in * packed_block(); }
    constexpr std::ptrdiff_t weight_unit() const { return std::ptrdiff_t{reach} * taps * inner * lanes + stagger; }
    constexpr std::ptrdiff_t result_row() const { return result_dense ? std::ptrdiff_t{x.count(0)} * lanes : 0; }
    constexpr int steps() const { return y.count(0); }
    /// The first block of input that block `unit` of results reads.
    constexpr int first_block(int unit) const { return unit * lanes / group_out * group_in / lanes; }
    /// How many it reads.
    constexpr int blocks(int unit) const {
        const int last_group = (std::min((unit + 1) * lanes, out_channels) - 1) / group_out;
        return ((last_group + 1) * group_in - 1) / lanes - first_block(unit) + 1;
    }
    constexpr int table() const { return reach * taps; }
    /// Where the weights of a block of input and a tap lie. An adjoint with a stride reads a few taps of all blocks at a time: these lie together.
    constexpr std::ptrdiff_t weight_at(int block, int tap) const {
        return (y.adjoint ? std::ptrdiff_t{tap} * reach + block : std::ptrdiff_t{block} * taps + tap) * inner * lanes;
    }

    constexpr std::ptrdiff_t workspace() const {
        workspace_cursor size;
        size.take(out * lanes);
        size.take(out * weight_unit());
        size.take(workers * worker());
        return size.used();
    }
    /// Packed rows, a row of results, and two tables of offsets.
    constexpr std::ptrdiff_t worker() const {
        workspace_cursor size;
        size.take(packed());
        size.take(result_row());
        size.take(2 * table() * offset_elements);
        return size.used();
    }

    int out_channels = 0;
    static constexpr std::ptrdiff_t offset_elements = sizeof(std::ptrdiff_t) / sizeof(float);
};

constexpr direct_plan plan_direct(const correlation& c, bool adjoint, int threads) {
    constexpr std::ptrdiff_t cached = 96 << 10; // elements of packed rows that stay in a core's cache beside the weights
    const shape from = adjoint ? c.narrow : c.wide, to = adjoint ? c.wide : c.narrow;
    direct_plan p;
    p.y = {to.h, from.h, adjoint ? c.stride.h : 1, adjoint ? 1 : c.stride.h, c.kernel.h, c.padding.h, c.dilation.h, adjoint};
    p.x = {to.w, from.w, adjoint ? c.stride.w : 1, adjoint ? 1 : c.stride.w, c.kernel.w, c.padding.w, c.dilation.w, adjoint};
    p.in = blocks_of(from.c);
    p.out = blocks_of(to.c);
    p.out_channels = to.c;
    p.inner = std::min(lanes, from.c);
    p.source_dense = stored_dense(from) && from.c < lanes;
    p.result_dense = stored_dense(to);
    p.group_in = from.c / c.groups;
    p.group_out = to.c / c.groups;
    p.taps = c.taps();
    for (int u = 0; u < p.out; ++u) p.reach = std::max(p.reach, p.blocks(u));
    p.samples = c.batch;
    p.workers = threads;
    const int most = std::max(1, std::min(8, p.steps()));
    for (p.band = most; p.band > 1 && p.packed() > cached; --p.band) {}
    p.bands = (p.steps() + p.band - 1) / p.band;
    return p;
}

/// Packs rows [first, first + rows) of a sample's source, from column `columns_from` on: zeros outside, deferred norms applied.
inline void pack_rows(const kernel_table& k, const parts<const float>& source, shape s, int sample, int block, int first, int rows, int from, int columns, int pixel,
                      float* out) {
    const bool dense = stored_dense(s);
    const int inside_begin = std::clamp(-from, 0, columns), inside_end = std::clamp(s.w - from, inside_begin, columns);
    for (int r = 0; r < rows; ++r) {
        float* const row = out + std::ptrdiff_t{r} * columns * pixel;
        const int y = first + r;
        if (y < 0 || y >= s.h || inside_begin == inside_end) {
            std::fill(row, row + std::ptrdiff_t{columns} * pixel, 0.0f);
            continue;
        }
        std::fill(row, row + std::ptrdiff_t{inside_begin} * pixel, 0.0f);
        std::fill(row + std::ptrdiff_t{inside_end} * pixel, row + std::ptrdiff_t{columns} * pixel, 0.0f);
        if (!dense) {
            const located<const float> in = locate(source, sample, block);
            k.read_row(in.plane + (std::ptrdiff_t{y} * s.w + from + inside_begin) * lanes, inside_end - inside_begin, in.as, row + std::ptrdiff_t{inside_begin} * pixel, false);
            continue;
        }
        const part<const float>& p = source[0];
        const reading as = reading_of(p, block);
        const int channels = std::min(pixel, s.c - block * lanes);
        for (int c = 0; c < pixel; ++c) {
            const float* const in = p.data + sample * s.size() + (std::ptrdiff_t{block} * lanes + c) * s.plane() + std::ptrdiff_t{y} * s.w + from;
            for (int x = inside_begin; x < inside_end; ++x) {
                float v = c < channels ? in[x] : 0.0f;
                if (c < channels && as.scale != nullptr) v = v * as.scale[c] + as.shift[c];
                if (as.relu && v <= 0) v = 0;
                row[std::ptrdiff_t{x} * pixel + c] = v;
            }
        }
    }
}

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

struct direct_weight_plan {
    direct_plan rows{};  ///< of the map: packs wide, walks narrow
    int sums = 1;        ///< each over a range of bands, added in order at the end
    int splits = 1;      ///< tasks of one sum, each with some blocks of narrow
    bool packs_narrow = false;

    constexpr std::ptrdiff_t sum() const { return rows.out * rows.weight_unit(); }
    constexpr std::ptrdiff_t narrow_rows() const { return std::ptrdiff_t{rows.band} * rows.x.results * lanes + stagger; } ///< of one block
    constexpr std::ptrdiff_t worker() const { return rows.packed() + 2 * narrow_rows(); }
    constexpr std::ptrdiff_t workspace() const {
        workspace_cursor size;
        size.take(sum() * sums);
        size.take(rows.workers * ((worker() + lanes - 1) / lanes * lanes));
        return size.used();
    }
};

constexpr direct_weight_plan plan_direct_weights(const correlation& map, int threads) {
    constexpr std::ptrdiff_t all_sums = 2 << 20;
    direct_weight_plan p;
    p.rows = plan_direct(map, false, threads);
    p.sums = static_cast<int>(std::clamp<std::ptrdiff_t>(all_sums / p.sum(), 1, 16));
    p.sums = std::min(p.sums, p.rows.samples * p.rows.bands);
    p.splits = std::clamp((4 * threads + p.sums - 1) / p.sums, 1, (p.rows.out + 1) / 2); // each packs its rows again; no sum changes
    return p;
}

inline void direct_weights(const kernel_table& k, const weight_pass& c) {
    const direct_weight_plan plan = plan_direct_weights(c.map, c.pool->threads());
    const direct_plan& p = plan.rows;
    const shape wide = c.map.wide, narrow = c.map.narrow;
    workspace_cursor cursor(c.workspace);
    float* const sums = cursor.take(plan.sum() * plan.sums);
    float* const memory = cursor.take(0);
    const bool narrow_dense = stored_dense(narrow);
    const bool as_it_lies = !stored_dense(wide) && c.wide.count == 1 && c.wide[0].norm == nullptr && p.y.stays_inside() && p.x.stays_inside();

    c.pool->run(plan.sums * plan.splits, [&](int i, int worker) {
        const int which = i / plan.splits;
        const share units(p.out, plan.splits, i % plan.splits), bands(p.samples * p.bands, plan.sums, which);
        float* const packed = memory + worker * ((plan.worker() + lanes - 1) / lanes * lanes);
        float* const packed_narrow = packed + p.packed();
        float* const sum = sums + which * plan.sum();
        for (int task = bands.begin; task < bands.end; ++task) {
            const int sample = task / p.bands, first = task % p.bands * p.band, count = std::min(p.band, p.steps() - first);
            const int y0 = first * p.y.in_step + p.y.first_shift();
            const float* rows = packed;
            std::ptrdiff_t row_size = p.packed_row(), block_size = p.packed_block();
            if (as_it_lies) {
                row_size = std::ptrdiff_t{wide.w} * lanes;
                block_size = wide.plane() * lanes;
                rows = block_plane(c.wide[0].data, wide, sample, 0) + y0 * row_size + p.x.first_shift() * lanes;
            } else {
                for (int b = 0; b < p.in; ++b)
                    pack_rows(k, c.wide, wide, sample, b, y0, (count - 1) * p.y.in_step + p.rows_of_step(), p.x.first_shift(), p.columns(),
                              p.pixel(), packed + b * p.packed_block());
            }
            // While this band is multiplied, what the next one reads comes nearer: its rows of wide lie behind this one's.
            ahead next;
            if (task + 1 < bands.end && (task + 1) % p.bands != 0) {
                const int begin = y0 + (count - 1) * p.y.in_step + p.rows_of_step(), end = std::min(wide.h, begin + p.band * p.y.in_step);
                if (as_it_lies && begin < end)
                    next = {rows + (begin - y0) * row_size, (end - begin) * wide.w, p.in, block_size, 0, p.in * p.taps * ((units.size() + 1) / 2)};
            }
            for (int unit = units.begin; unit < units.end;) {
                const bool plain = !narrow_dense && c.narrow.count == 1 && c.narrow[0].norm == nullptr;
                products_call m;
                m.units = unit + 1 < units.end && c.map.groups == 1 ? 2 : 1;
                if (plain) {
                    m.b = locate(c.narrow, sample, unit).plane + std::ptrdiff_t{first} * narrow.w * lanes;
                    m.b_unit = narrow.plane() * lanes;
                } else {
                    for (int u = 0; u < m.units; ++u)
                        pack_rows(k, c.narrow, narrow, sample, unit + u, first, count, 0, narrow.w, lanes, packed_narrow + u * plan.narrow_rows());
                    m.b = packed_narrow;
                    m.b_unit = plan.narrow_rows();
                }
                m.b_row = std::ptrdiff_t{narrow.w} * lanes;
                m.a_pixel = std::ptrdiff_t{p.x.in_step} * p.pixel();
                m.a_row = p.y.in_step * row_size;
                m.rows = count;
                m.pixels = narrow.w;
                m.channels = p.inner;
                m.c_unit = p.weight_unit();
                m.accumulate = task > bands.begin;
                for (int b = 0; b < p.blocks(unit); ++b)
                    for (int ty = 0; ty < p.y.taps; ++ty)
                        for (int tx = 0; tx < p.x.taps; ++tx) {
                            m.a = rows + (p.first_block(unit) + b) * block_size + (p.y.shift(0, ty) - p.y.first_shift()) * row_size +
                                  std::ptrdiff_t{p.x.shift(0, tx) - p.x.first_shift()} * p.pixel();
                            m.c = sum + unit * p.weight_unit() + (std::ptrdiff_t{b} * p.taps + ty * p.x.taps + tx) * p.inner * lanes;
                            m.next = next;
                            if (next.part + 1 < next.parts) ++next.part;
                            else next.lines = 0;
                            k.products(m);
                        }
                unit += m.units;
            }
        }
    });

    const std::ptrdiff_t per_group = wide.c / c.map.groups;
    c.pool->run(p.out, [&](int unit) {
        const int used = std::min(lanes, narrow.c - unit * lanes);
        for (int b = 0; b < p.blocks(unit); ++b) {
            const int first = (p.first_block(unit) + b) * lanes, channels = std::min(p.inner, wide.c - first);
            // Columns of up to 16 (channel, tap), added up and turned into rows of the gradient.
            for (int i = 0; i < channels * p.taps; i += lanes) {
                alignas(64) float columns[lanes * lanes];
                const int count = std::min(lanes, channels * p.taps - i);
                for (int j = 0; j < count; ++j) {
                    const int channel = (i + j) / p.taps, tap = (i + j) % p.taps;
                    const float* const s = sums + unit * p.weight_unit() + ((std::ptrdiff_t{b} * p.taps + tap) * p.inner + channel) * lanes;
                    std::copy_n(s, lanes, columns + j * lanes);
                    for (int which = 1; which < plan.sums; ++which) k.read_row(s + which * plan.sum(), 1, {}, columns + j * lanes, true);
                }
                if (c.map.groups == 1) {
                    k.transpose(columns, lanes, count, used, c.gradient + (unit * lanes * per_group + first) * p.taps + i, per_group * p.taps);
                    continue;
                }
                for (int j = 0; j < count; ++j)
                    for (int l = 0; l < used; ++l) {
                        const int from = first + (i + j) / p.taps, to = unit * lanes + l;
                        if (from / p.group_in == to / p.group_out)
                            c.gradient[(to * per_group + from % per_group) * p.taps + (i + j) % p.taps] = columns[j * lanes + l];
                    }
            }
        }
    });
}

/// About 500 pixels are added up in float, and these sums in double: enough that the rounding stays below 1e-5 of a sum of random signs.
constexpr int sum_channels_rows(shape s) { return std::max(1, 512 / s.w); }

/// Elements of a dense plane that are added up in float, 16 sums side by side. Planes of few have no such sums.
inline constexpr int dense_piece = 512 * lanes;
constexpr int dense_pieces(shape s) { return s.plane() < 4 * lanes ? 0 : static_cast<int>((s.plane() + dense_piece - 1) / dense_piece); }

inline void sum_dense_channels(const kernel_table& k, const float* value, shape s, int batch, thread_pool& pool, float* workspace, float* sums) {
    const int pieces = dense_pieces(s);
    if (pieces == 0) {
        pool.run(blocks_of(s.c), [&](int block) {
            for (int c = block * lanes; c < std::min(s.c, (block + 1) * lanes); ++c) {
                double total = 0;
                for (int n = 0; n < batch; ++n)
                    for (std::ptrdiff_t x = 0; x < s.plane(); ++x) total += static_cast<double>(value[n * s.size() + c * s.plane() + x]);
                sums[c] = static_cast<float>(total);
            }
        });
        return;
    }
    const int planes = batch * s.c;
    pool.run(planes * pieces, [&](int i) {
        const std::ptrdiff_t first = std::ptrdiff_t{i % pieces} * dense_piece, size = std::min<std::ptrdiff_t>(dense_piece, s.plane() - first);
        const float* const p = value + i / pieces * s.plane() + first;
        float* const share = workspace + std::ptrdiff_t{i} * lanes;
        std::fill_n(share, lanes, 0.0f);
        k.rows->sum(p, static_cast<int>(size / lanes), {}, share);
        for (std::ptrdiff_t x = size / lanes * lanes; x < size; ++x) share[x % lanes] += p[x];
    });
    for (int c = 0; c < s.c; ++c) {
        double total = 0;
        for (int n = 0; n < batch; ++n)
            for (int i = 0; i < pieces * lanes; ++i) total += static_cast<double>(workspace[(std::ptrdiff_t{n} * s.c + c) * pieces * lanes + i]);
        sums[c] = static_cast<float>(total);
    }
}

/// Sums over samples and pixels: the gradient of a bias. Sample by sample, then in double.
inline void sum_channels(const kernel_table& k, const parts<const float>& value, shape s, int batch, thread_pool& pool, float* workspace, float* sums) {
    if (stored_dense(s)) return sum_dense_channels(k, value[0].data, s, batch, pool, workspace, sums);
    const int blocks = blocks_of(s.c), rows = sum_channels_rows(s), pieces = (s.h + rows - 1) / rows;
    pool.run(batch * pieces * blocks, [&](int i) {
        const int block = i % blocks, piece = i / blocks % pieces, sample = i / blocks / pieces, first = piece * rows;
        float* const share = workspace + std::ptrdiff_t{i} * lanes;
        std::fill_n(share, lanes, 0.0f);
        k.rows->sum(locate(value, sample, block).plane + std::ptrdiff_t{first} * s.w * lanes, std::min(rows, s.h - first) * s.w, {}, share);
    });
    for (int c = 0; c < s.c; ++c) {
        double total = 0;
        for (int i = c / lanes; i < batch * pieces * blocks; i += blocks) total += static_cast<double>(workspace[std::ptrdiff_t{i} * lanes + c % lanes]);
        sums[c] = static_cast<float>(total);
    }
}
constexpr std::ptrdiff_t sum_channels_workspace(shape s, int batch) {
    if (stored_dense(s)) return std::ptrdiff_t{batch} * s.c * dense_pieces(s) * lanes;
    return std::ptrdiff_t{batch} * ((s.h + sum_channels_rows(s) - 1) / sum_channels_rows(s)) * blocks_of(s.c) * lanes;
}

} // namespace umsrep::cpu_ops
