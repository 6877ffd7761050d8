// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include <umsrep/backend/cpu/direct_plan.hpp>
#include <umsrep/backend/cpu/direct_rows.hpp>

/// Gradients of weights by the sum over samples and pixels that defines them. Each task adds up a range of bands of rows; the sums of the ranges are
/// added in order.
namespace umsrep::cpu_ops {

struct direct_weight_plan {
    direct_plan rows{};  ///< of the map: packs wide, walks narrow
    int sums = 1;        ///< each over a range of bands, added in order at the end
    int splits = 1;      ///< tasks of one sum, each with some blocks of narrow

    constexpr int pairs() const { return (rows.out + 1) / 2; } ///< of blocks of narrow
    constexpr std::ptrdiff_t sum() const { return rows.out * rows.weight_unit(); }
    constexpr std::ptrdiff_t narrow_rows() const { return std::ptrdiff_t{rows.band} * rows.x.results * lanes + stagger; } ///< of one block
    constexpr std::ptrdiff_t worker() const {
        workspace_cursor size;
        size.take(rows.packed());
        size.take(2 * narrow_rows());
        return size.used();
    }
    constexpr std::ptrdiff_t workspace() const {
        workspace_cursor size;
        size.take(sum() * sums);
        size.take(rows.workers * worker());
        return size.used();
    }
};

constexpr direct_weight_plan plan_direct_weights(const correlation& map, int threads) {
    constexpr std::ptrdiff_t all_sums = 2 << 20, cached = 160 << 10; // elements; the rows of two bands stay in a core's cache
    constexpr int pixels = 128;                                      // of narrow: two blocks of these stay in the nearest one
    direct_weight_plan p;
    p.rows = plan_direct(map, false, threads);
    p.rows.band = std::clamp(pixels / map.narrow.w, 1, map.narrow.h);
    while (p.rows.band > 1 && p.rows.packed() > cached) --p.rows.band;
    p.rows.cut(p.rows.band);
    p.sums = static_cast<int>(std::clamp<std::ptrdiff_t>(all_sums / p.sum(), 1, 16));
    p.sums = std::min(p.sums, p.rows.all_bands());
    p.splits = std::clamp((8 * threads + p.sums - 1) / p.sums, 1, p.pairs()); // each reads its rows again; no sum changes
    return p;
}

inline void direct_weights(const kernel_table& k, const weight_pass& c) {
    const direct_weight_plan plan = plan_direct_weights(c.map, c.pool->threads());
    const direct_plan& p = plan.rows;
    const shape wide = c.map.wide, narrow = c.map.narrow;
    workspace_cursor cursor(c.workspace);
    float* const sums = cursor.take(plan.sum() * plan.sums);
    float* const memory = cursor.take(0);
    const direct_source source(k, p, c.wide, wide);
    const bool narrow_dense = stored_dense(narrow), packs_narrow = narrow_dense || c.narrow.count > 1 || c.narrow[0].norm != nullptr;

    c.pool->run(plan.sums * plan.splits, [&](int i, int worker) {
        const int which = i / plan.splits;
        const share pairs(plan.pairs(), plan.splits, i % plan.splits), bands(p.all_bands(), plan.sums, which);
        const int first_unit = 2 * pairs.begin, last_unit = std::min(p.out, 2 * pairs.end);
        workspace_cursor mine(memory + worker * plan.worker());
        float* const packed = mine.take(p.packed());
        float* const packed_narrow = mine.take(2 * plan.narrow_rows());
        float* const sum = sums + which * plan.sum();
        for (int task = bands.begin; task < bands.end; ++task) {
            const direct_band band(p, task);
            const direct_rows rows = source.read(band, packed);
            fetched_by_calls next;
            if (task + 1 < bands.end) {
                const direct_band then(p, task + 1);
                ahead units;
                if (!narrow_dense && c.narrow.count == 1)
                    units = {locate(c.narrow, then.sample, first_unit).plane + std::ptrdiff_t{then.first} * narrow.w * lanes,
                             then.count * narrow.w, last_unit - first_unit, narrow.plane() * lanes};
                next = {source.memory(then), units, pairs.size() * p.reach * p.taps};
            }
            for (int unit = first_unit; unit < last_unit;) {
                products_call m;
                m.units = unit + 1 < last_unit && c.map.groups == 1 ? 2 : 1;
                if (packs_narrow) {
                    for (int u = 0; u < m.units; ++u)
                        pack_rows(k, c.narrow, narrow, band.sample, unit + u, band.first, band.count, 0, narrow.w, lanes,
                                  packed_narrow + u * plan.narrow_rows());
                    m.b = packed_narrow;
                    m.b_unit = plan.narrow_rows();
                } else {
                    m.b = locate(c.narrow, band.sample, unit).plane + std::ptrdiff_t{band.first} * narrow.w * lanes;
                    m.b_unit = narrow.plane() * lanes;
                }
                m.b_row = std::ptrdiff_t{narrow.w} * lanes;
                m.a_pixel = std::ptrdiff_t{p.x.in_step} * p.pixel();
                m.a_row = p.y.in_step * rows.row;
                m.rows = band.count;
                m.pixels = narrow.w;
                m.channels = p.inner;
                m.c_unit = p.weight_unit();
                m.accumulate = task > bands.begin;
                for (int b = 0; b < p.blocks(unit); ++b)
                    for (int ty = 0; ty < p.y.taps; ++ty)
                        for (int tx = 0; tx < p.x.taps; ++tx) {
                            m.a = rows.first + (p.first_block(unit) + b) * rows.block + (p.y.shift(0, ty) - p.y.first_shift()) * rows.row +
                                  std::ptrdiff_t{p.x.shift(0, tx) - p.x.first_shift()} * p.pixel();
                            m.c = sum + unit * p.weight_unit() + (std::ptrdiff_t{b} * p.taps + ty * p.x.taps + tx) * p.inner * lanes;
                            m.next = next.next_call();
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
            float* const sum = sums + unit * p.weight_unit() + std::ptrdiff_t{b} * p.taps * p.inner * lanes;
            for (int which = 1; which < plan.sums; ++which) k.read_row(sum + which * plan.sum(), p.taps * p.inner, {}, sum, true);
            // Columns of up to 16 (channel, tap), turned into rows of the gradient.
            for (int i = 0; i < channels * p.taps; i += lanes) {
                alignas(64) float columns[lanes * lanes];
                const int count = std::min(lanes, channels * p.taps - i);
                for (int j = 0; j < count; ++j) {
                    const int channel = (i + j) / p.taps, tap = (i + j) % p.taps;
                    std::copy_n(sum + (std::ptrdiff_t{tap} * p.inner + channel) * lanes, lanes, columns + j * lanes);
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

} // namespace umsrep::cpu_ops
