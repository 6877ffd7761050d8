// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include <umsrep/backend/cpu/winograd.hpp>

/// Winograd's filtering where there are few tiles and many channels: small images, one at a time. There the transformed weights, four
/// times the weights' size, are most of what moves, and each is used for a few tiles only. So they never reach memory: after all tiles
/// are transformed, each task makes two blocks of results, transforms the weights of a few input blocks into a buffer that its core's
/// cache holds, and adds their products to sums of its own. What is written by one core and read by all is slow to write again (docs/design/cpu.md, Between
/// cores), so workers take groups of tiles, where there are enough, or transform all inputs for themselves, where that is little beside their products.
///
/// Every sum is made in the order of `winograd_pass`: the results are the same bits.
namespace umsrep::cpu_ops {

struct few_tiles_plan {
    static constexpr int most_depth = 8;

    winograd_plan tiles{};
    int units = 2;              ///< blocks of results of a task
    int depth = 1;              ///< blocks of input whose weights are transformed at once
    int groups = 1;             ///< of blocks of tiles; a task makes its results for one
    bool shares_inputs = false; ///< all workers transform a part of the inputs for all; else each does all that it reads for itself

    constexpr share blocks_of_group(int group) const { return share(tiles.blocks(), groups, group); }
    /// Tiles of a group, at most.
    constexpr int held() const { return std::min(tiles.tiles, (tiles.blocks() + groups - 1) / groups * tiles.block); }
    constexpr std::ptrdiff_t input_position() const { return std::ptrdiff_t{held()} * lanes + stagger; }
    constexpr std::ptrdiff_t input_block() const { return tiles.positions() * input_position(); }
    constexpr std::ptrdiff_t inputs() const { return tiles.in * input_block(); }
    constexpr std::ptrdiff_t weight_position() const { return std::ptrdiff_t{units} * depth * lanes * lanes + stagger; }
    constexpr std::ptrdiff_t sum_position() const { return std::ptrdiff_t{units} * held() * lanes + stagger; }
    constexpr int tasks_of_group() const { return (tiles.out + units - 1) / units; }
    constexpr scratch_memory memory() const {
        workspace_cursor shared;
        shared.take(tiles.out * lanes);
        shared.take(shares_inputs ? groups * inputs() : 0);
        return {shared.used(), tiles.positions() * (weight_position() + sum_position()) + (shares_inputs ? 0 : inputs())};
    }
};

/// Whether a pass with this plan is faster without transformed weights in memory.
constexpr bool suits_few_tiles(const winograd_plan& p) { return p.together && p.tiles <= 128; }

constexpr few_tiles_plan plan_few_tiles(const winograd_plan& tiles) {
    constexpr int least_tiles = 48, least_results = 8; // of a worker: tiles of its group; blocks of results that pay for inputs of its own
    constexpr std::ptrdiff_t cached_inputs = std::ptrdiff_t{4} << 20; // bytes of a worker that go through the third cache beside others
    few_tiles_plan p;
    p.tiles = tiles;
    p.units = std::min(2, tiles.out); // what kernels take at a time
    p.depth = std::min(4, tiles.in);  // 295 or 524 KB of transformed weights; with half as many, sums come and go twice as often
    if (tiles.tiles >= least_tiles * tiles.workers) p.groups = std::min(tiles.workers, tiles.blocks());
    p.shares_inputs = p.groups < tiles.workers && (tiles.out < least_results * tiles.workers || p.inputs() * 4 > cached_inputs);
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
    const std::ptrdiff_t input_position = p.input_position(), input_block = p.input_block(), weight_position = p.weight_position(), sum_position = p.sum_position();
    const std::ptrdiff_t weight_unit = std::ptrdiff_t{p.depth} * lanes * lanes, sum_unit = std::ptrdiff_t{p.held()} * lanes;
    workspace_cursor cursor(c.workspace);
    const float* const bias = padded_bias(c.bias, c.to().c, cursor.take(t.out * lanes));
    float* const shared_inputs = cursor.take(p.shares_inputs ? p.groups * p.inputs() : 0);
    const auto transform = [&](int group, int block, float* inputs) {
        const share tiles = p.blocks_of_group(group);
        const int first = t.first_of(tiles.begin);
        transform_inputs(k, c, t, first, t.first_of(tiles.end), block, inputs + block * input_block, input_position);
    };
    if (p.shares_inputs)
        c.pool->run(p.groups * t.in, [&](int i) { transform(i / t.in, i % t.in, shared_inputs + i / t.in * p.inputs()); });

    struct worker_state {
        float *weights, *sums, *inputs;
        int group = -1; ///< whose inputs it has
    };
    const auto state_of = [&](int worker) {
        float* const weights = c.workers.of(worker);
        float* const sums = weights + t.positions() * weight_position;
        return worker_state{weights, sums, sums + t.positions() * sum_position};
    };
    c.pool->run(p.groups * p.tasks_of_group(), state_of, [&](int task, worker_state& own) {
        const int group = task / p.tasks_of_group(), first_unit = task % p.tasks_of_group() * p.units, units = std::min(p.units, t.out - first_unit);
        if (p.shares_inputs) own.inputs = shared_inputs + group * p.inputs();
        else if (group != own.group)
            for (int b = 0; b < t.in; ++b) transform(group, b, own.inputs);
        own.group = group;
        const share blocks_of_tiles = p.blocks_of_group(group);
        const int first_tile = t.first_of(blocks_of_tiles.begin), tiles = t.first_of(blocks_of_tiles.end) - first_tile;
        std::ptrdiff_t in_offset[few_tiles_plan::most_depth], weight_offset[few_tiles_plan::most_depth];
        for (int b = 0; b < p.depth; ++b) {
            in_offset[b] = b * input_block;
            weight_offset[b] = std::ptrdiff_t{b} * lanes * lanes;
        }
        for (int from = 0; from < t.in; from += p.depth) {
            const int blocks = std::min(p.depth, t.in - from);
            for (int b = 0; b < blocks; ++b)
                for (int u = 0; u < units; ++u)
                    transform_weights(k, c, t.size, first_unit + u, from + b, own.weights + u * weight_unit + weight_offset[b], weight_position);
            const int following = std::min(p.depth, t.in - from - blocks);
            for (int i = 0; i < t.positions(); ++i) {
                multiply_call m;
                m.a = own.inputs + from * input_block + i * input_position;
                m.a_offset = in_offset;
                m.b = own.weights + i * weight_position;
                m.b_offset = weight_offset;
                m.b_unit = weight_unit;
                m.blocks = blocks;
                m.c = own.sums + i * sum_position;
                m.c_unit = sum_unit;
                m.pixels = tiles;
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
            for (int block = blocks_of_tiles.begin; block < blocks_of_tiles.end; ++block) {
                moments* const statistics = c.statistics == nullptr ? nullptr : c.statistics + std::ptrdiff_t{block} * t.out + first_unit + u;
                if (statistics != nullptr) statistics->count = 0;
                const int first = t.first_of(block);
                transform_outputs(k, c, t, first, t.first_of(block + 1), first_unit + u, bias, own.sums + u * sum_unit + std::ptrdiff_t{first - first_tile} * lanes,
                                  sum_position, statistics);
            }
    });
}

/// By the way that suits it; both leave the same results, and statistics in the same rows.
inline void any_winograd_pass(const kernel_table& k, const pass& c) {
    const winograd_plan p = plan_winograd(c.from().c, c.to(), c.map.batch, c.pool->threads());
    if (suits_few_tiles(p)) few_tiles_pass(k, c, plan_few_tiles(p));
    else winograd_pass(k, c, p);
}
constexpr scratch_memory winograd_memory_of(int from_channels, shape to, int batch, int threads) {
    const winograd_plan p = plan_winograd(from_channels, to, batch, threads);
    return suits_few_tiles(p) ? plan_few_tiles(p).memory() : p.memory();
}

} // namespace umsrep::cpu_ops
