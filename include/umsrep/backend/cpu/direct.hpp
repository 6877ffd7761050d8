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

namespace detail {

/// The sums of a pass, band by band.
class direct_sums {
public:
    direct_sums(const kernel_table& k, const direct_plan& p, const pass& c, const float* weights, const float* bias)
        : k_{k}, p_{p}, c_{c}, to_{c.to()}, weights_{weights}, bias_{bias},
          streams_{!finishes() && !p.result_dense && c.map.batch * stored_elements(to_) >= streamed_elements} {}

    /// Calls for the products of a band's units [first, last), as many as there may be.
    int calls(int first_unit, int last_unit) const { return p_.y.phases() * p_.x.phases() * (last_unit - first_unit + 1) / 2 * p_.band; }

    /// `memory`: of a worker, see direct_plan.
    void of_band(const direct_band& band, const direct_rows& from, int first_unit, int last_unit, fetched_by_calls& next, workspace_cursor memory) const {
        float* const row = memory.take(p_.result_row());
        auto* const in_offset = reinterpret_cast<std::ptrdiff_t*>(memory.take(2 * p_.table() * direct_plan::offset_elements));
        for (int phase = 0; phase < p_.y.phases() * p_.x.phases(); ++phase)
            for (int unit = first_unit; unit < last_unit;) {
                const int units = paired(unit, last_unit) ? 2 : 1;
                of_phase(band, from, phase, unit, units, next, row, in_offset);
                unit += units;
            }
    }

    bool finishes() const { return c_.then.scale != nullptr || c_.then.relu || c_.statistics != nullptr; }

    /// Norm, ReLU and statistics of the results of a band.
    void finish(const direct_band& band, int index, int first_unit, int last_unit) const {
        const bool changes = c_.then.scale != nullptr || c_.then.relu;
        const int first_row = band.first * p_.y.out_step, last_row = std::min(to_.h, (band.first + band.count) * p_.y.out_step);
        for (int unit = first_unit; unit < last_unit; ++unit) {
            const auto of_unit = [&](const float* all) { return all == nullptr ? nullptr : all + unit * lanes; };
            const reading then{of_unit(c_.then.scale), of_unit(c_.then.shift), c_.then.relu};
            if (p_.result_dense) {
                for (int y = first_row; y < last_row; ++y)
                    finish_dense_row(then, to_.w, std::min(lanes, to_.c - unit * lanes), to_.plane(), dense_row(band, unit, y));
                continue;
            }
            float* const plane = locate(c_.out, band.sample, unit).plane + std::ptrdiff_t{first_row} * to_.w * lanes;
            const int pixels = (last_row - first_row) * to_.w;
            if (changes) k_.read_row(plane, pixels, then, plane, false);
            if (c_.statistics == nullptr) continue;
            moments& s = c_.statistics[std::ptrdiff_t{index} * p_.out + unit];
            s.count = 0;
            k_.moments_of_row(plane, pixels, s);
        }
    }

private:
    /// Two blocks of results at a time, where they read the same input and lie in the same part.
    bool paired(int unit, int last_unit) const {
        return unit + 1 < last_unit && c_.map.groups == 1 && !p_.result_dense && !(c_.out.count == 2 && unit + 1 == blocks_of(c_.out[0].s.c));
    }
    float* dense_row(const direct_band& band, int unit, int y) const {
        return c_.out[0].data + band.sample * to_.size() + unit * lanes * to_.plane() + std::ptrdiff_t{y} * to_.w;
    }

    void of_phase(const direct_band& band, const direct_rows& from, int phase, int unit, int units, fetched_by_calls& next, float* row,
                  std::ptrdiff_t* in_offset) const {
        const int py = phase / p_.x.phases(), px = phase % p_.x.phases(), count = p_.x.count(px);
        const located<float> sink = p_.result_dense ? located<float>{c_.out[0].data, {}, c_.out[0].accumulate} : locate(c_.out, band.sample, unit);
        if (sink.plane == nullptr || count == 0) return;
        std::ptrdiff_t* const weight_offset = in_offset + p_.table();
        int blocks = 0;
        for (int b = 0; b < p_.blocks(unit); ++b)
            for (int ty = 0; ty < p_.y.taps; ++ty)
                for (int tx = 0; tx < p_.x.taps; ++tx) {
                    if (!p_.y.reached(py, ty) || !p_.x.reached(px, tx)) continue;
                    in_offset[blocks] = (p_.first_block(unit) + b) * from.block + (p_.y.shift(py, ty) - p_.y.first_shift()) * from.row +
                                        std::ptrdiff_t{p_.x.shift(px, tx) - p_.x.first_shift()} * p_.pixel();
                    weight_offset[blocks] = p_.weight_at(b, ty * p_.x.taps + tx);
                    ++blocks;
                }
        multiply_call m;
        m.a_offset = in_offset;
        m.a_pixel = std::ptrdiff_t{p_.x.in_step} * p_.pixel();
        m.b = weights_ + unit * p_.weight_unit();
        m.b_unit = p_.weight_unit();
        m.b_offset = weight_offset;
        m.blocks = blocks;
        m.inner = p_.inner;
        m.pixels = count;
        m.units = units;
        m.bias = bias_ == nullptr ? nullptr : bias_ + unit * lanes;
        m.accumulate = sink.accumulate && !p_.result_dense;
        m.stream = streams_ && !m.accumulate;
        for (int step = 0; step < band.count; ++step) {
            const int y = py + p_.y.out_step * (band.first + step);
            if (y >= to_.h) break;
            m.next = next.next_call();
            m.a = from.first + step * p_.y.in_step * from.row;
            if (p_.result_dense) {
                m.c = row;
                k_.multiply(m);
                store_dense_row(row, count, p_.x.out_step, std::min(lanes, to_.c - unit * lanes), to_.plane(), sink.accumulate, dense_row(band, unit, y) + px);
            } else {
                m.c = sink.plane + (std::ptrdiff_t{y} * to_.w + px) * lanes;
                m.c_pixel = std::ptrdiff_t{p_.x.out_step} * lanes;
                m.c_unit = to_.plane() * lanes;
                k_.multiply(m);
            }
        }
    }

    const kernel_table& k_;
    const direct_plan& p_;
    const pass& c_;
    shape to_;
    const float *weights_, *bias_;
    bool streams_;
};

} // namespace detail

inline void direct_pass(const kernel_table& k, const pass& c) {
    const direct_plan p = plan_direct(c.map, c.adjoint, c.pool->threads());
    workspace_cursor cursor(c.workspace);
    const float* const bias = padded_bias(c.bias, c.to().c, cursor.take(p.out * lanes));
    float* const weights = cursor.take(p.out * p.weight_unit());
    float* const memory = cursor.take(0);
    c.pool->run(p.out, [&](int unit) { pack_weights(k, p, c, unit, weights + unit * p.weight_unit()); });

    const direct_source source(k, p, c.in, c.from());
    const detail::direct_sums sums(k, p, c, weights, bias);
    // A task is several bands, each of which fetches the memory of the next. Few of them are cut further, along the blocks of results: that
    // repeats the packing, and changes no sum.
    const int tasks = std::min(p.all_bands(), 8 * p.workers), groups_of_units = (p.out + 1) / 2;
    const int splits = std::clamp((2 * p.workers + tasks - 1) / tasks, 1, groups_of_units);
    c.pool->run(tasks * splits, [&](int i, int worker) {
        const share bands(p.all_bands(), tasks, i / splits), units_of(groups_of_units, splits, i % splits);
        const int first_unit = 2 * units_of.begin, last_unit = std::min(p.out, 2 * units_of.end);
        workspace_cursor mine(memory + worker * p.worker());
        float* const packed = mine.take(p.packed());
        for (int b = bands.begin; b < bands.end; ++b) {
            const direct_band band(p, b);
            const direct_rows rows = source.read(band, packed);
            fetched_by_calls next;
            if (b + 1 < bands.end) next = {source.memory(direct_band(p, b + 1)), {}, sums.calls(first_unit, last_unit)};
            sums.of_band(band, rows, first_unit, last_unit, next, mine);
            if (sums.finishes()) sums.finish(band, b, first_unit, last_unit);
        }
    });
}

} // namespace umsrep::cpu_ops
