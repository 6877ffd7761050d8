// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include <umsrep/backend/cpu/winograd.hpp>

/// Winograd's filtering where there are few tiles and many channels: small images, one at a time. There the transformed weights, four
/// times the weights' size, are most of what moves, and each is used for a few tiles only. So they never reach memory: after all tiles
/// are transformed, each task makes two blocks of results, transforms the weights of a few input blocks into a buffer that its core's
/// cache holds, and adds their products to sums of its own.
///
/// Every sum is made in the order of `winograd_pass`: the results are the same bits.
namespace umsrep::cpu_ops {

struct few_tiles_plan {
    static constexpr int most_depth = 8;

    winograd_plan tiles{}; ///< all of them held at once
    int units = 2;         ///< blocks of results of a task
    int depth = 1;         ///< blocks of input whose weights are transformed at once

    constexpr std::ptrdiff_t input_position() const { return std::ptrdiff_t{tiles.tiles} * lanes + stagger; }
    constexpr std::ptrdiff_t input_block() const { return tiles.positions() * input_position(); }
    constexpr std::ptrdiff_t weight_position() const { return std::ptrdiff_t{units} * depth * lanes * lanes + stagger; }
    constexpr std::ptrdiff_t sum_position() const { return std::ptrdiff_t{units} * tiles.tiles * lanes + stagger; }
    constexpr std::ptrdiff_t worker() const { return tiles.positions() * (weight_position() + sum_position()); }
    constexpr int tasks() const { return (tiles.out + units - 1) / units; }
    constexpr std::ptrdiff_t workspace() const {
        workspace_cursor size;
        size.take(tiles.out * lanes);
        size.take(tiles.in * input_block());
        size.take(tiles.workers * worker());
        return size.used();
    }
};

/// Whether a pass with this plan is faster without transformed weights in memory.
constexpr bool suits_few_tiles(const winograd_plan& p) { return p.together && p.tiles <= 128; }

constexpr few_tiles_plan plan_few_tiles(const winograd_plan& tiles) {
    few_tiles_plan p;
    p.tiles = tiles;
    p.units = std::min(2, tiles.out); // what kernels take at a time
    p.depth = std::min(4, tiles.in);  // 295 or 524 KB of transformed weights; with half as many, sums come and go twice as often
    return p;
}

/// The weights between block `from` of the input and `count` blocks of results from `to` on, to be fetched while something else is done.
inline ahead weights_ahead(const pass& c, int to, int count, int from) {
    const std::ptrdiff_t row = std::ptrdiff_t{c.map.wide.c} * 9;
    const int results = std::min(count * lanes, c.to().c - to * lanes), channels = std::min(lanes, c.from().c - from * lanes);
    if (c.adjoint) return {c.weight + from * lanes * row + to * lanes * 9, (results * 9 + lanes - 1) / lanes, channels, row};
    return {c.weight + to * lanes * row + from * lanes * 9, (channels * 9 + lanes - 1) / lanes, results, row};
}

inline void few_tiles_pass(const kernel_table& k, const pass& c, const few_tiles_plan& p) {
    const winograd_plan& t = p.tiles;
    workspace_cursor cursor(c.workspace);
    const float* const bias = padded_bias(c.bias, c.to().c, cursor.take(t.out * lanes));
    float* const inputs = cursor.take(t.in * p.input_block());
    float* const memory = cursor.take(0);
    const int pieces = (t.tiles + t.block - 1) / t.block;

    c.pool->run(t.in * pieces, [&](int i) {
        const int block = i / pieces, first = i % pieces * t.block;
        float* const to = inputs + block * p.input_block() + std::ptrdiff_t{first} * lanes;
        transform_inputs(k, c, t, first, std::min(t.tiles, first + t.block), block, to, p.input_position());
    });
    c.pool->run(p.tasks(), [&](int task, int worker) {
        float* const weights = memory + worker * p.worker();
        float* const sums = weights + t.positions() * p.weight_position();
        const int first_unit = task * p.units, units = std::min(p.units, t.out - first_unit);
        const std::ptrdiff_t weight_unit = std::ptrdiff_t{p.depth} * lanes * lanes;
        std::ptrdiff_t in_offset[few_tiles_plan::most_depth], weight_offset[few_tiles_plan::most_depth];
        for (int b = 0; b < p.depth; ++b) {
            in_offset[b] = b * p.input_block();
            weight_offset[b] = std::ptrdiff_t{b} * lanes * lanes;
        }
        for (int from = 0; from < t.in; from += p.depth) {
            const int blocks = std::min(p.depth, t.in - from);
            for (int b = 0; b < blocks; ++b)
                for (int u = 0; u < units; ++u)
                    transform_weights(k, c, t.size, first_unit + u, from + b, weights + u * weight_unit + weight_offset[b],
                                      p.weight_position());
            const int following = std::min(p.depth, t.in - from - blocks);
            for (int i = 0; i < t.positions(); ++i) {
                multiply_call m;
                m.a = inputs + from * p.input_block() + i * p.input_position();
                m.a_offset = in_offset;
                m.b = weights + i * p.weight_position();
                m.b_offset = weight_offset;
                m.b_unit = weight_unit;
                m.blocks = blocks;
                m.c = sums + i * p.sum_position();
                m.c_unit = std::ptrdiff_t{t.tiles} * lanes;
                m.pixels = t.tiles;
                m.units = units;
                m.accumulate = from > 0;
                if (following > 0) {
                    const int of = i * following / t.positions(), begin = (of * t.positions() + following - 1) / following;
                    m.next = weights_ahead(c, first_unit, units, from + blocks + of);
                    m.next.part = i - begin;
                    m.next.parts = ((of + 1) * t.positions() + following - 1) / following - begin;
                }
                k.multiply(m);
            }
        }
        for (int u = 0; u < units; ++u)
            for (int piece = 0; piece < pieces; ++piece) {
                const int block = first_unit + u, first = piece * t.block;
                moments* const statistics =
                    c.statistics == nullptr ? nullptr : c.statistics + std::ptrdiff_t{piece} * t.out + block;
                if (statistics != nullptr) statistics->count = 0;
                const float* const of_block = sums + (std::ptrdiff_t{u} * t.tiles + first) * lanes;
                transform_outputs(k, c, t, first, std::min(t.tiles, first + t.block), block, bias, of_block, p.sum_position(),
                                  statistics);
            }
    });
}

/// By the way that suits it; both leave the same results, and statistics in the same rows.
inline void any_winograd_pass(const kernel_table& k, const pass& c) {
    const winograd_plan p = plan_winograd(c.from().c, c.to(), c.map.batch, c.pool->threads());
    if (suits_few_tiles(p)) few_tiles_pass(k, c, plan_few_tiles(p));
    else winograd_pass(k, c);
}
constexpr std::ptrdiff_t winograd_workspace(int from_channels, shape to, int batch, int threads) {
    const winograd_plan p = plan_winograd(from_channels, to, batch, threads);
    return suits_few_tiles(p) ? plan_few_tiles(p).workspace() : p.workspace();
}

} // namespace umsrep::cpu_ops
