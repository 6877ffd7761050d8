// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include <umsrep/backend/cpu/correlation.hpp>

/// How the direct kernels cut a correlation, or its adjoint, into tasks, and the memory they work in.
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
    int band = 1, bands = 1;   ///< steps m of a band, bands of a sample
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
    constexpr int all_bands() const { return samples * bands; }
    /// Bands of at most so many steps, as even as can be.
    constexpr void cut(int most_steps) {
        bands = (steps() + most_steps - 1) / most_steps;
        band = (steps() + bands - 1) / bands;
    }
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
    p.cut(p.band);
    return p;
}

} // namespace umsrep::cpu_ops
