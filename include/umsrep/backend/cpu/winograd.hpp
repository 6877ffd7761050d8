// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include <umsrep/backend/cpu/correlation.hpp>

/// 3x3 convolutions by Winograd's minimal filtering: F(4x4, 3x3) or F(6x6, 3x3) for the map and its adjoint, F(3x3, 4x4) or F(3x3, 6x6) for the weights. A
/// quarter or a fifth of the multiplications of the direct sum; errors of 1e-5 to 1e-4 of the result's root mean square. Lavin and Gray, 2016.
///
/// A tile of results becomes 36 or 64 independent products of matrices, tiles x channels x channels. Two ways to go through them:
///  - where the transformed weights fit a cache, each task takes a block of tiles all the way, in memory of its worker that its core's second cache holds;
///  - else all threads go together from step to step: transform many tiles, multiply position by position, transform back.
/// Both make every sum in the same order, whatever the number of threads.
namespace umsrep::cpu_ops {

struct winograd_plan {
    int size = 6;                 ///< of a tile, which gives (size - 2)^2 results
    int in = 0, out = 0;          ///< blocks of channels
    int rows = 0, columns = 0;    ///< tiles of a sample
    int tiles = 0;                ///< of the batch
    bool together = false;        ///< all threads go step by step
    int block = 0;                ///< tiles of a task, at most
    int pieces = 1;               ///< of a row of tiles, where a block is not whole rows
    int halved = -1;              ///< the one whole row that is two blocks, for two threads to have the same to do where rows are few and odd
    int held = 0;                 ///< tiles that are transformed at once
    int chunk = 0;                ///< blocks of result channels at once
    int workers = 1;
    bool owns_weights = false;    ///< every worker transforms all weights for itself: where it has many tiles that costs less than what cores pass to each other

    constexpr int step() const { return size - 2; }
    constexpr int positions() const { return size * size; }
    constexpr std::ptrdiff_t input_position() const { return std::ptrdiff_t{in} * held * lanes + stagger; }
    constexpr std::ptrdiff_t output_position() const { return std::ptrdiff_t{chunk} * held * lanes + stagger; }
    /// Where a task has its own memory, the products of a position take the place of the transformed inputs of the position before: half the memory,
    /// and what is written is in a cache already.
    constexpr std::ptrdiff_t slot() const { return std::max(input_position(), output_position()); }
    constexpr std::ptrdiff_t weight_position() const { return std::ptrdiff_t{chunk} * in * lanes * lanes + stagger; }
    /// Of tiles; each leaves a row of statistics.
    constexpr int blocks() const { return pieces > 1 ? tiles / columns * pieces : (tiles + block - 1) / block + (halved >= 0); }
    /// The first tile of a block; blocks() has all tiles before it.
    constexpr int first_of(int index) const {
        if (pieces > 1) return index / pieces * columns + share(columns, pieces, index % pieces).begin;
        if (halved < 0 || index <= halved) return std::min(tiles, index * block);
        return index == halved + 1 ? halved * block + block / 2 : std::min(tiles, (index - 1) * block);
    }
    constexpr scratch_memory memory() const {
        workspace_cursor shared;
        shared.take(out * lanes);
        const std::ptrdiff_t all_weights = positions() * weight_position();
        shared.take(owns_weights ? 0 : all_weights);
        shared.take(together ? positions() * (input_position() + output_position()) : 0);
        return {shared.used(), together ? 0 : (positions() + 1) * slot() + (owns_weights ? all_weights : 0)};
    }
};

/// The size of the tiles: 8 saves a fifth of the products of 6, where the image does not leave too much of them empty; its rounding errors are twice as
/// large and grow with the channels that are summed, so it is for up to 128.
constexpr int winograd_size(int from_channels, shape to) {
    const auto products = [&](int size) { return std::ptrdiff_t{size} * size * ((to.h + size - 3) / (size - 2)) * ((to.w + size - 3) / (size - 2)); };
    return from_channels <= 128 && 10 * products(8) <= 9 * products(6) ? 8 : 6;
}

/// Whether it pays: for 3x3 convolutions, one pixel apart, of blocked values in which every channel meets every other and that fill most of the blocks
/// and of the tiles of 6.
constexpr bool suits_winograd(const correlation& map) {
    const auto fills = [](shape s) {
        return s.c >= 12 && !stored_dense(s) && 5 * s.plane() >= std::ptrdiff_t{3} * 16 * ((s.h + 3) / 4) * ((s.w + 3) / 4);
    };
    return map.kernel == extent{3} && map.stride == extent{1} && map.dilation == extent{1} && map.groups == 1 && map.padding.h <= 2 &&
           map.padding.w <= 2 && fills(map.wide) && fills(map.narrow);
}

/// Cuts the tiles into blocks of about `most`, within 12 and 64: whole rows where that many fit, for what the next block reads lies together then. Enough
/// of them to keep the cores busy to the end, unless they became too small to multiply well.
constexpr void cut(winograd_plan& p, std::ptrdiff_t most) {
    constexpr int least_tiles = 12, enough = 16, few_rows = 64;
    const int rows = p.tiles / p.columns, limit = static_cast<int>(std::clamp<std::ptrdiff_t>(most, least_tiles, 64));
    p.pieces = 1;
    p.halved = -1;
    if (limit >= p.columns) {
        const int fits = limit / p.columns, fewest = (least_tiles + p.columns - 1) / p.columns;
        p.block = p.columns * std::min(rows, std::max(fewest, std::min(fits, rows / enough)));
        if (p.block == p.columns && rows % 2 == 1 && rows > enough && rows < few_rows) p.halved = rows / 2;
    } else {
        p.pieces = (p.columns + limit - 1) / limit;
        p.block = (p.columns + p.pieces - 1) / p.pieces;
    }
}

/// A pass from `from_channels` to results of shape `to`.
constexpr winograd_plan plan_winograd(int from_channels, shape to, int batch, int threads) {
    constexpr std::ptrdiff_t cached_weights = std::ptrdiff_t{3} << 19, shared_weights = std::ptrdiff_t{5} << 20; // in a core's cache, in one for all
    constexpr std::ptrdiff_t task_bytes = std::ptrdiff_t{3} << 18, weight_bytes = std::ptrdiff_t{10} << 20;
    constexpr int many_tiles = 192, tiles_of_owner = 400; // so many of each other worker: transforming all weights is little beside multiplying by them
    winograd_plan p;
    p.size = winograd_size(from_channels, to);
    p.in = blocks_of(from_channels);
    p.out = blocks_of(to.c);
    p.rows = (to.h + p.step() - 1) / p.step();
    p.columns = (to.w + p.step() - 1) / p.step();
    p.tiles = batch * p.rows * p.columns;
    p.workers = threads;
    const std::ptrdiff_t one_weight = std::ptrdiff_t{p.positions()} * lanes * lanes * 4 * p.in; // bytes for a block of results
    p.together = one_weight * p.out > (p.tiles < many_tiles ? cached_weights : shared_weights);
    if (p.together) {
        constexpr int most_held = 256, most_block = 64;
        p.held = std::min(p.tiles, most_held);
        const int blocks = (p.held + most_block - 1) / most_block;
        p.block = (p.held + blocks - 1) / blocks;
        p.chunk = static_cast<int>(std::clamp<std::ptrdiff_t>(weight_bytes / one_weight, 1, p.out));
        const int passes = (p.out + p.chunk - 1) / p.chunk;
        p.chunk = (p.out + passes - 1) / passes;
        p.chunk += p.chunk % 2; // kernels take two blocks at a time
        p.chunk = std::min(p.chunk, p.out);
    } else {
        const std::ptrdiff_t tile_bytes = std::ptrdiff_t{p.positions()} * lanes * 4 * std::max(p.in, p.out);
        cut(p, task_bytes / tile_bytes);
        p.held = p.block;
        p.chunk = p.out;
        p.owns_weights = p.tiles >= tiles_of_owner * (threads - 1) && one_weight * p.out * threads <= weight_bytes;
    }
    return p;
}

/// Calls f(sample, row, column, count, position) for the stretches of tiles [first, last) that lie in one row.
template <class F>
void for_each_stretch(const winograd_plan& p, int first, int last, F f) {
    for (int t = first; t < last;) {
        const int column = t % p.columns, row = t / p.columns % p.rows, sample = t / p.columns / p.rows;
        const int count = std::min(p.columns - column, last - t);
        f(sample, row, column, count, t - first);
        t += count;
    }
}

/// What block `index` fetches of a block of channels, one part of `of_parts` of it: the rows that the next block reads first, or the next row of tiles where
/// blocks are pieces of one. The next block is most likely the same worker's.
template <class T>
ahead rows_after(const parts<T>& value, shape s, const winograd_plan& p, int index, int end, int block, int part, int of_parts) {
    const int next = index + p.pieces;
    if (next >= end) return {};
    const int first = p.first_of(next) / p.columns, rows = p.pieces > 1 ? 1 : (p.first_of(next + 1) - p.first_of(next) + p.columns - 1) / p.columns;
    const int row = first % p.rows, sample = first / p.rows;
    const int from = std::min(p.step() * row + 1, s.h), to = std::min(s.h, p.step() * (row + rows) + 1);
    const located<T> found = locate(value, sample, block);
    if (found.plane == nullptr) return {};
    const share mine((to - from) * s.w, of_parts * p.pieces, index % p.pieces * of_parts + part);
    return {found.plane + (std::ptrdiff_t{from} * s.w + mine.begin) * lanes, mine.size()};
}

/// Transformed weights of result block `to`, from block `from`: 16 channels x 16 lanes at out + channel * 16, positions apart.
inline void transform_weights(const kernel_table& k, const pass& c, int size, int to, int from, float* out, std::ptrdiff_t position) {
    const int results = std::min(lanes, c.to().c - to * lanes), channels = std::min(lanes, c.from().c - from * lanes);
    const std::ptrdiff_t inner = c.map.wide.c;
    alignas(64) float w[9 * lanes * lanes]; // [channel][tap][lane]
    if (results < lanes || channels < lanes) std::fill(w, w + 9 * lanes * lanes, 0.0f);
    if (!c.adjoint) {
        const float* const rows = c.weight + (to * lanes * inner + from * lanes) * 9; // a row for each result: channels x taps
        for (int i = 0; i < channels * 9; i += lanes) k.transpose(rows + i, inner * 9, results, std::min(lanes, channels * 9 - i), w + i * lanes, lanes);
        for (int i = 0; i < lanes; ++i) k.winograd_weight(size, w + i * 9 * lanes, lanes, out + i * lanes, position);
        return;
    }
    for (int i = 0; i < channels; ++i) k.transpose(c.weight + ((from * lanes + i) * inner + to * lanes) * 9, 9, results, 9, w + i * 9 * lanes, lanes);
    for (int i = 0; i < lanes; ++i) k.winograd_weight(size, w + (i * 9 + 8) * lanes, -lanes, out + i * lanes, position); // turned by 180 degrees
}

inline void transform_inputs(const kernel_table& k, const pass& c, const winograd_plan& p, int first, int last, int block, float* out,
                             std::ptrdiff_t position) {
    const shape from = c.from();
    const int pad_h = c.adjoint ? 2 - c.map.padding.h : c.map.padding.h, pad_w = c.adjoint ? 2 - c.map.padding.w : c.map.padding.w;
    for_each_stretch(p, first, last, [&](int sample, int row, int column, int count, int at) {
        const located<const float> source = locate(c.in, sample, block);
        k.winograd_input(source.plane, {p.size, from.h, from.w, p.step() * row - pad_h, p.step() * column - pad_w, count, position}, source.as, out + at * lanes);
    });
}

inline void transform_outputs(const kernel_table& k, const pass& c, const winograd_plan& p, int first, int last, int block, const float* bias, const float* in,
                              std::ptrdiff_t position, moments* statistics) {
    const shape to = c.to();
    const shape half{to.c, to.h / 2, to.w / 2};
    const bool streams = c.map.batch * stored_elements(to) >= streamed_elements, pool_streams = c.map.batch * stored_elements(half) >= streamed_elements;
    for_each_stretch(p, first, last, [&](int sample, int row, int column, int count, int at) {
        const located<float> sink = locate(c.out, sample, block);
        if (sink.plane == nullptr) return;
        const auto of_block = [&](const float* all) { return all == nullptr ? nullptr : all + block * lanes; };
        k.winograd_output(in + at * lanes, {p.size, to.h, to.w, p.step() * row, p.step() * column, count, position},
                          {of_block(bias), {of_block(c.then.scale), of_block(c.then.shift), c.then.relu}, sink.accumulate, streams, statistics,
                           c.pooled == nullptr ? nullptr : block_plane(c.pooled, half, sample, block), c.pooled != nullptr && pool_streams},
                          sink.plane);
    });
}

/// The products of one position: `tiles` tiles, all channels, `out` blocks of results.
inline void multiply_position(const kernel_table& k, const winograd_plan& p, const float* weights, int out, const float* in, int first, int tiles, float* result,
                              const ahead& next = {}) {
    constexpr int most = 256;
    std::ptrdiff_t in_offset[most], weight_offset[most];
    for (int from = 0; from < p.in; from += most) {
        const int blocks = std::min(most, p.in - from);
        for (int b = 0; b < blocks; ++b) {
            in_offset[b] = std::ptrdiff_t{from + b} * p.held * lanes;
            weight_offset[b] = std::ptrdiff_t{from + b} * lanes * lanes;
        }
        multiply_call m;
        m.a = in + std::ptrdiff_t{first} * lanes;
        m.a_offset = in_offset;
        m.b = weights;
        m.b_offset = weight_offset;
        m.b_unit = std::ptrdiff_t{p.in} * lanes * lanes;
        m.blocks = blocks;
        m.c = result + std::ptrdiff_t{first} * lanes;
        m.c_unit = std::ptrdiff_t{p.held} * lanes;
        m.pixels = tiles;
        m.units = out;
        m.accumulate = from > 0;
        m.next = next;
        k.multiply(m);
    }
}

inline void winograd_pass(const kernel_table& k, const pass& c, const winograd_plan& p) {
    const int positions = p.positions();
    workspace_cursor cursor(c.workspace);
    const float* const bias = padded_bias(c.bias, c.to().c, cursor.take(p.out * lanes));
    float* const shared_weights = cursor.take(p.owns_weights ? 0 : positions * p.weight_position());
    const std::ptrdiff_t from_position = p.input_position(), to_position = p.output_position(), weight_position = p.weight_position();
    // Task i of those that transform the weights of blocks [first, ...) of results.
    const auto transform = [&](int i, int first, float* weights) {
        transform_weights(k, c, p.size, first + i / p.in, i % p.in, weights + std::ptrdiff_t{i} * lanes * lanes, weight_position);
    };
    const auto statistics_of = [&](int row, int block) {
        if (c.statistics == nullptr) return static_cast<moments*>(nullptr);
        moments* const m = c.statistics + std::ptrdiff_t{row} * p.out + block;
        m->count = 0;
        return m;
    };

    if (!p.together) {
        const std::ptrdiff_t slot = p.slot();
        if (!p.owns_weights) c.pool->run(p.out * p.in, [&](int i) { transform(i, 0, shared_weights); });
        struct worker_state {
            int worker;
            const float* weights;
        };
        const auto state_of = [&](int worker) {
            if (!p.owns_weights) return worker_state{worker, shared_weights};
            float* const own = c.workers.of(worker) + (positions + 1) * slot;
            for (int i = 0; i < p.out * p.in; ++i) transform(i, 0, own);
            return worker_state{worker, own};
        };
        c.pool->run(p.blocks(), state_of, [&](int block, const worker_state& of) {
            float* const to = c.workers.of(of.worker);
            float* const from = to + slot;
            const int first = p.first_of(block), last = p.first_of(block + 1);
            for (int b = 0; b < p.in; ++b) transform_inputs(k, c, p, first, last, b, from + std::ptrdiff_t{b} * p.held * lanes, slot);
            for (int i = 0; i < positions; ++i) {
                const int b = i * p.in / positions, begin = (b * positions + p.in - 1) / p.in, count = ((b + 1) * positions + p.in - 1) / p.in - begin;
                multiply_position(k, p, of.weights + i * weight_position, p.out, from + i * slot, 0, last - first, to + i * slot,
                                  rows_after(c.in, c.from(), p, block, p.blocks(), b, i - begin, count));
            }
            for (int b = 0; b < p.out; ++b)
                transform_outputs(k, c, p, first, last, b, bias, to + std::ptrdiff_t{b} * p.held * lanes, slot, statistics_of(block, b));
        });
        return;
    }

    float* const from = cursor.take(0);
    float* const to = from + positions * from_position;
    const int passes = (p.out + p.chunk - 1) / p.chunk;
    for (int held = 0, row = 0; held < p.tiles; held += p.held) {
        const int end = std::min(p.tiles, held + p.held), pieces = (end - held + p.block - 1) / p.block;
        for (int at = 0; at < passes; ++at) {
            const share chunk(p.out, passes, at);
            const int weight_tasks = passes > 1 || held == 0 ? chunk.size() * p.in : 0, input_tasks = at == 0 ? pieces * p.in : 0;
            c.pool->run(weight_tasks + input_tasks, [&](int i) {
                if (i < weight_tasks) return transform(i, chunk.begin, shared_weights);
                const int piece = (i - weight_tasks) / p.in, b = (i - weight_tasks) % p.in, first = held + piece * p.block;
                transform_inputs(k, c, p, first, std::min(end, first + p.block), b, from + (std::ptrdiff_t{b} * p.held + first - held) * lanes, from_position);
            });
            const int splits = std::max(1, std::min(pieces, (2 * p.workers + positions - 1) / positions));
            c.pool->run(positions * splits, [&](int i) {
                const int position = i / splits;
                const share s(end - held, splits, i % splits);
                multiply_position(k, p, shared_weights + position * weight_position, chunk.size(), from + position * from_position, s.begin, s.size(), to + position * to_position);
            });
            c.pool->run(pieces * chunk.size(), [&](int i) {
                const int piece = i / chunk.size(), b = i % chunk.size(), first = held + piece * p.block;
                transform_outputs(k, c, p, first, std::min(end, first + p.block), chunk.begin + b, bias, to + (std::ptrdiff_t{b} * p.held + first - held) * lanes,
                                  to_position, statistics_of(row + piece, chunk.begin + b));
            });
        }
        row += pieces;
    }
}

struct winograd_weight_plan {
    winograd_plan tiles{};   ///< in: blocks of wide, out: blocks of narrow; `together` as there
    int sums = 1;            ///< each over a range of tiles, added in order at the end

    constexpr std::ptrdiff_t sum_position() const { return std::ptrdiff_t{tiles.in} * tiles.out * lanes * lanes + stagger; }
    constexpr std::ptrdiff_t tile_memory() const { return tiles.positions() * (tiles.input_position() + tiles.output_position()); }
    constexpr scratch_memory memory() const {
        workspace_cursor shared;
        shared.take(tiles.positions() * sum_position() * sums);
        shared.take(tiles.together ? tile_memory() : 0);
        return {shared.used(), tiles.together ? 0 : tile_memory()};
    }
};

constexpr winograd_weight_plan plan_winograd_weights(const correlation& map, int threads) {
    constexpr std::ptrdiff_t cached_sums = std::ptrdiff_t{17} << 16, all_sums = std::ptrdiff_t{20} << 20, held_bytes = std::ptrdiff_t{32} << 20, task_bytes = 900 << 10;
    winograd_weight_plan p;
    p.tiles = plan_winograd(map.wide.c, map.narrow, map.batch, threads);
    winograd_plan& t = p.tiles;
    t.chunk = t.out;
    t.together = p.sum_position() * t.positions() * 4 > cached_sums; // the sums are what has to stay in a cache
    const std::ptrdiff_t tile_bytes = std::ptrdiff_t{t.positions()} * lanes * 4 * (t.in + t.out);
    if (t.together) {
        t.held = static_cast<int>(std::clamp<std::ptrdiff_t>(held_bytes / tile_bytes, std::min(64, t.tiles), t.tiles));
        t.block = std::min(64, t.held);
    } else {
        cut(t, task_bytes / tile_bytes);
        t.held = t.block;
        p.sums = static_cast<int>(std::clamp<std::ptrdiff_t>(all_sums / (p.sum_position() * t.positions() * 4), 1, 16));
        p.sums = std::min(p.sums, t.blocks());
    }
    return p;
}

inline void transform_gradients(const kernel_table& k, const weight_pass& c, const winograd_plan& p, int first, int last, int block, float* out,
                                std::ptrdiff_t position) {
    const shape s = c.map.narrow;
    for_each_stretch(p, first, last, [&](int sample, int row, int column, int count, int at) {
        const tile_row tiles{p.size, s.h, s.w, p.step() * row, p.step() * column, count, position};
        if (c.pending == nullptr) { // read only
            k.winograd_gradient(const_cast<float*>(locate(c.narrow, sample, block).plane), tiles, nullptr, out + at * lanes);
            return;
        }
        const norm_state<const float> state(c.pending->state, s.c);
        const norm_reading norm{block_plane(c.pending->z, s, sample, block), state.mean + block * lanes, state.coefficients + block * 3 * lanes,
                                {state.scale + block * lanes, state.shift + block * lanes, c.pending->relu}};
        k.winograd_gradient(block_plane(c.pending->gradient, s, sample, block), tiles, &norm, out + at * lanes);
    });
}

inline void winograd_weights(const kernel_table& k, const weight_pass& c) {
    const winograd_weight_plan plan = plan_winograd_weights(c.map, c.pool->threads());
    const winograd_plan& p = plan.tiles;
    const int positions = p.positions();
    workspace_cursor cursor(c.workspace);
    const std::ptrdiff_t sum_position = plan.sum_position(), sum_size = positions * sum_position;
    float* const sums = cursor.take(sum_size * plan.sums);
    const std::ptrdiff_t wide_position = p.input_position(), narrow_position = p.output_position();
    const pass reads_wide{c.map, false, c.wide, {}, nullptr, nullptr, {}, nullptr, nullptr, nullptr};

    // Adds the products of one position over `count` tiles to blocks [first, last) of narrow.
    const auto add_products = [&](float* sum, const float* wide, const float* narrow, int count, int first, int last, bool accumulate, auto next) {
        for (int b = 0; b < p.in; ++b) {
            products_call m;
            m.next = next(b);
            m.a = wide + std::ptrdiff_t{b} * p.held * lanes;
            m.b = narrow + std::ptrdiff_t{first} * p.held * lanes;
            m.b_unit = std::ptrdiff_t{p.held} * lanes;
            m.pixels = count;
            m.c = sum + (std::ptrdiff_t{first} * p.in + b) * lanes * lanes;
            m.c_unit = std::ptrdiff_t{p.in} * lanes * lanes;
            m.units = last - first;
            m.accumulate = accumulate;
            k.products(m);
        }
    };

    if (!p.together) {
        c.pool->run(plan.sums, [&](int task, int worker) {
            float* const wide = c.workers.of(worker);
            float* const narrow = wide + positions * wide_position;
            float* const sum = sums + task * sum_size;
            const share mine(p.blocks(), plan.sums, task);
            for (int block = mine.begin; block < mine.end; ++block) {
                const int first = p.first_of(block), last = p.first_of(block + 1);
                for (int b = 0; b < p.in; ++b) transform_inputs(k, reads_wide, p, first, last, b, wide + std::ptrdiff_t{b} * p.held * lanes, wide_position);
                for (int b = 0; b < p.out; ++b) transform_gradients(k, c, p, first, last, b, narrow + std::ptrdiff_t{b} * p.held * lanes, narrow_position);
                for (int i = 0; i < positions; ++i)
                    add_products(sum + i * sum_position, wide + i * wide_position, narrow + i * narrow_position, last - first, 0, p.out, block > mine.begin,
                                 // Every call fetches some of one block, of wide and narrow by turns.
                                 [&](int b) {
                                     const int call = i * p.in + b, calls = positions * p.in, all = p.in + p.out, of = call * all / calls;
                                     const int begin = (of * calls + all - 1) / all, part_count = ((of + 1) * calls + all - 1) / all - begin;
                                     return of < p.in ? rows_after(c.wide, c.map.wide, p, block, mine.end, of, call - begin, part_count)
                                                      : rows_after(c.narrow, c.map.narrow, p, block, mine.end, of - p.in, call - begin, part_count);
                                 });
            }
        });
    } else {
        float* const wide = cursor.take(0);
        float* const narrow = wide + positions * wide_position;
        for (int held = 0; held < p.tiles; held += p.held) {
            const int end = std::min(p.tiles, held + p.held), pieces = (end - held + p.block - 1) / p.block, blocks = p.in + p.out;
            c.pool->run(pieces * blocks, [&](int i) {
                const int first = held + i / blocks * p.block, last = std::min(end, first + p.block), b = i % blocks;
                if (b < p.in) transform_inputs(k, reads_wide, p, first, last, b, wide + (std::ptrdiff_t{b} * p.held + first - held) * lanes, wide_position);
                else transform_gradients(k, c, p, first, last, b - p.in, narrow + (std::ptrdiff_t{b - p.in} * p.held + first - held) * lanes, narrow_position);
            });
            const int splits = std::max(1, std::min(p.out / 2, (2 * p.workers + positions - 1) / positions));
            c.pool->run(positions * splits, [&](int i) {
                const int position = i / splits;
                const share s(p.out, splits, i % splits);
                add_products(sums + position * sum_position, wide + position * wide_position, narrow + position * narrow_position, end - held, s.begin, s.end, held > 0, [](int) { return ahead{}; });
            });
        }
    }

    c.pool->run(p.out * p.in, [&](int i) {
        const int out = i / p.in, in = i % p.in;
        const int used = std::min(lanes, c.map.narrow.c - out * lanes), channels = std::min(lanes, c.map.wide.c - in * lanes);
        alignas(64) float dw[9 * lanes * lanes]; // [channel][tap][lane]
        for (int channel = 0; channel < channels; ++channel)
            k.winograd_weight_gradient(p.size, sums + (std::ptrdiff_t{i} * lanes + channel) * lanes, sum_position, plan.sums, sum_size, dw + channel * 9 * lanes);
        const std::ptrdiff_t row = std::ptrdiff_t{c.map.wide.c} * 9;
        float* const to = c.gradient + out * lanes * row + in * lanes * 9;
        for (int j = 0; j < channels * 9; j += lanes) k.transpose(dw + j * lanes, lanes, std::min(lanes, channels * 9 - j), used, to + j, row);
    });
}

} // namespace umsrep::cpu_ops
