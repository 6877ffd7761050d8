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

} // namespace umsrep::cpu_ops
