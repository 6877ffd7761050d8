// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include <umsrep/backend/cpu/bands.hpp>
#include <umsrep/backend/cpu/direct_plan.hpp>
#include <umsrep/backend/cpu/instruction_set.hpp>

/// Convolutions in which every channel has a kernel of its own and channels do not mix, of blocked values: no product of matrices, but 16
/// channels at a time, each tap from where it lies in the plane.
namespace umsrep::cpu_ops {

inline constexpr int depthwise_taps = 64; ///< at most; larger windows take the direct kernels

constexpr bool suits_depthwise(const correlation& map) {
    return map.groups == map.wide.c && map.groups == map.narrow.c && map.taps() <= depthwise_taps && !stored_dense(map.wide) &&
           !stored_dense(map.narrow);
}

/// Bias, then weights, in blocks; sums of weight gradients for every band of every sample.
constexpr std::ptrdiff_t depthwise_workspace(const correlation& map) {
    const std::ptrdiff_t channels = blocks_of(map.wide.c) * lanes, bands = std::ptrdiff_t{map.batch} * bands_of(map.narrow);
    return channels * std::max<std::ptrdiff_t>(1 + map.taps(), bands * map.taps());
}

/// Rows of statistics that a pass fills.
constexpr int depthwise_statistics_rows(const correlation& map, bool adjoint) {
    return map.batch * bands_of(adjoint ? map.wide : map.narrow);
}

namespace detail {

constexpr direct_axis depthwise_axis(int results, int source, int stride, int taps, int padding, int dilation, bool adjoint) {
    return {results, source, adjoint ? stride : 1, adjoint ? 1 : stride, taps, padding, dilation, adjoint};
}

/// The taps of one phase of the columns for the row of results `row`; returns how many.
inline int find_taps(const direct_axis& ys, const direct_axis& xs, int row, int phase, depthwise_tap* taps) {
    const int row_phase = row % ys.out_step, step = row / ys.out_step, results = xs.count(phase);
    const auto steps_to = [&](int column) { return column <= 0 ? 0 : std::min(results, (column + xs.in_step - 1) / xs.in_step); };
    int count = 0;
    for (int i = 0; i < ys.taps; ++i) {
        if (!ys.reached(row_phase, i)) continue;
        const int y = step * ys.in_step + ys.shift(row_phase, i);
        if (y < 0 || y >= ys.source) continue;
        for (int j = 0; j < xs.taps; ++j) {
            if (!xs.reached(phase, j)) continue;
            const int shift = xs.shift(phase, j);
            const int first = steps_to(-shift), last = steps_to(xs.source - shift);
            if (first < last) taps[count++] = {(std::ptrdiff_t{y} * xs.source + shift) * lanes, first, last, i * xs.taps + j};
        }
    }
    return count;
}

} // namespace detail

/// The map of `c`, or its adjoint: forward and data gradient of convolutions and of transposed ones.
inline void depthwise_pass(const kernel_table& k, const pass& c) {
    const correlation& m = c.map;
    const shape from = c.from(), to = c.to();
    const int blocks = blocks_of(to.c), taps = m.taps();
    workspace_cursor cursor(c.workspace);
    const float* const bias = padded_bias(c.bias, to.c, cursor.take(blocks * lanes));
    float* const weights = cursor.take(std::ptrdiff_t{blocks} * taps * lanes);
    for (int channel = 0; channel < blocks * lanes; ++channel)
        for (int tap = 0; tap < taps; ++tap)
            weights[(std::ptrdiff_t{channel / lanes} * taps + tap) * lanes + channel % lanes] =
                channel < to.c ? c.weight[std::ptrdiff_t{channel} * taps + tap] : 0.0f;

    const direct_axis ys = detail::depthwise_axis(to.h, from.h, m.stride.h, m.kernel.h, m.padding.h, m.dilation.h, c.adjoint);
    const direct_axis xs = detail::depthwise_axis(to.w, from.w, m.stride.w, m.kernel.w, m.padding.w, m.dilation.w, c.adjoint);
    for_bands(*c.pool, m.batch, to, [&](int sample, int block, int first, int last) {
        const located<float> sink = locate(c.out, sample, block);
        if (sink.plane == nullptr) return;
        const located<const float> in = locate(c.in, sample, block);
        const auto of_block = [&](const float* all) { return all == nullptr ? nullptr : all + block * lanes; };
        depthwise_tap found[depthwise_taps];
        depthwise_row r;
        r.plane = in.plane;
        r.as = in.as;
        r.taps = found;
        r.weights = weights + std::ptrdiff_t{block} * taps * lanes;
        r.in_step = std::ptrdiff_t{xs.in_step} * lanes;
        r.out_step = std::ptrdiff_t{xs.out_step} * lanes;
        r.bias = of_block(bias);
        r.then = {of_block(c.then.scale), of_block(c.then.shift), c.then.relu};
        r.accumulate = sink.accumulate;
        for (int y = first; y < last; ++y)
            for (int phase = 0; phase < xs.phases(); ++phase) {
                r.results = xs.count(phase);
                r.count = detail::find_taps(ys, xs, y, phase, found);
                r.out = sink.plane + (std::ptrdiff_t{y} * to.w + phase) * lanes;
                depthwises(k).depthwise(r);
            }
        if (c.statistics == nullptr) return;
        moments& s = c.statistics[(std::ptrdiff_t{sample} * bands_of(to) + first / rows_of_band(to)) * blocks + block];
        s.count = 0;
        k.moments_of_row(sink.plane + std::ptrdiff_t{first} * to.w * lanes, (last - first) * to.w, s);
    });
}

/// Gradient of the weights: sums over bands of rows, added in double, in order.
inline void depthwise_weights(const kernel_table& k, const weight_pass& c) {
    const correlation& m = c.map;
    const shape wide = m.wide, narrow = m.narrow;
    const int taps = m.taps(), blocks = blocks_of(narrow.c), bands = bands_of(narrow);
    const direct_axis ys = detail::depthwise_axis(narrow.h, wide.h, m.stride.h, m.kernel.h, m.padding.h, m.dilation.h, false);
    const direct_axis xs = detail::depthwise_axis(narrow.w, wide.w, m.stride.w, m.kernel.w, m.padding.w, m.dilation.w, false);
    const auto sums_of = [&](int sample, int band, int block) {
        return c.workspace + ((std::ptrdiff_t{sample} * bands + band) * blocks + block) * taps * lanes;
    };
    for_bands(*c.pool, m.batch, narrow, [&](int sample, int block, int first, int last) {
        float* const sums = sums_of(sample, first / rows_of_band(narrow), block);
        std::fill_n(sums, std::ptrdiff_t{taps} * lanes, 0.0f);
        const located<const float> in = locate(c.wide, sample, block), dy = locate(c.narrow, sample, block);
        depthwise_tap found[depthwise_taps];
        depthwise_row r;
        r.plane = in.plane;
        r.as = in.as;
        r.taps = found;
        r.in_step = std::ptrdiff_t{xs.in_step} * lanes;
        for (int y = first; y < last; ++y) {
            r.count = detail::find_taps(ys, xs, y, 0, found);
            depthwises(k).depthwise_products(r, dy.plane + std::ptrdiff_t{y} * narrow.w * lanes, dy.as, sums);
        }
    });
    c.pool->run(blocks, [&](int block) {
        for (int channel = block * lanes; channel < std::min((block + 1) * lanes, narrow.c); ++channel)
            for (int tap = 0; tap < taps; ++tap) {
                double total = 0;
                for (int sample = 0; sample < m.batch; ++sample)
                    for (int band = 0; band < bands; ++band)
                        total += static_cast<double>(sums_of(sample, band, block)[tap * lanes + channel % lanes]);
                c.gradient[std::ptrdiff_t{channel} * taps + tap] = static_cast<float>(total);
            }
    });
}

} // namespace umsrep::cpu_ops
