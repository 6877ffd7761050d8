// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <umsrep/backend/cpu/norm.hpp>

/// Group-norm of blocked values; dense ones take the adapter. Statistics as batch_norm's: of pieces of planes about one of their
/// values, between pieces and channels in double, in order. A group may lie anywhere in the blocks.
namespace umsrep::cpu_ops {

constexpr std::ptrdiff_t group_norm_workspace(shape s, int batch) {
    const norm_pieces p(s, batch);
    workspace_cursor size;
    size.take(p.tasks() * moments_elements);
    size.take(p.tasks() * 2 * lanes);
    size.take(std::ptrdiff_t{batch} * p.blocks * 4 * lanes);
    return size.used();
}

namespace detail {

/// f(values, first, pixels) for tiles of a piece of a plane, as its readers see it.
template <class F>
void for_read_tiles(const kernel_table& k, const located<const float>& in, int first, int pixels, F f) {
    if (in.as.scale == nullptr && !in.as.relu) return f(in.plane + std::ptrdiff_t{first} * lanes, first, pixels);
    constexpr int most = 64;
    alignas(64) float tile[most * lanes];
    for (int at = first; at < first + pixels; at += most) {
        const int count = std::min(most, first + pixels - at);
        k.read_row(in.plane + std::ptrdiff_t{at} * lanes, count, in.as, tile, false);
        f(tile, at, count);
    }
}

/// Mean, and a, b, c of 16 channels of a sample: of norm_gradient backward; forward computes value a + c.
struct group_block {
    float *mean, *a, *b, *c;
    group_block(float* memory, int blocks, int sample, int block)
        : mean{memory + (std::ptrdiff_t{sample} * blocks + block) * 4 * lanes}, a{mean + lanes}, b{a + lanes}, c{b + lanes} {}
};

/// f(sample, first channel, last, mean, 1 / deviation) for every group of every sample, on any thread.
template <class F>
void for_group_statistics(const kernel_table& k, const operands<float>& o, const norm_pieces& pieces, moments* found, F f) {
    const shape s = o.n->in;
    o.pool->run(pieces.tasks(), [&](int task) {
        found[task].count = 0;
        pieces.visit(task, [&](int sample, int block, int first, int pixels) {
            for_read_tiles(k, locate(o.sources[0], sample, block), first, pixels,
                           [&](const float* values, int, int count) { k.moments_of_row(values, count, found[task]); });
        });
    });
    const int groups = o.n->a.groups, channels = s.c / groups;
    o.pool->run(pieces.samples * groups, [&](int task) {
        const int sample = task / groups, first = task % groups * channels;
        const auto each = [&](auto g) {
            for (int c = first; c < first + channels; ++c)
                for (int piece = 0; piece < pieces.of_plane; ++piece) {
                    const moments& m = found[(std::ptrdiff_t{sample} * pieces.of_plane + piece) * pieces.blocks + c / lanes];
                    const std::size_t lane = static_cast<std::size_t>(c % lanes);
                    g(m.count, static_cast<double>(m.origin[lane]), static_cast<double>(m.sum[lane]),
                      static_cast<double>(m.square[lane]));
                }
        };
        const double count = static_cast<double>(channels) * static_cast<double>(s.plane());
        double mean = 0, variance = 0;
        each([&](double n, double origin, double sum, double) { mean += origin * n + sum; });
        mean /= count;
        each([&](double n, double origin, double sum, double square) {
            const double shift = origin + sum / n - mean;
            variance += square - sum * sum / n + n * shift * shift;
        });
        f(sample, first, first + channels, mean, 1 / std::sqrt(std::max(0.0, variance / count) + o.n->a.value));
    });
}

} // namespace detail

/// out = (in - mean) rstd weight + bias with the moments of each sample's group of channels.
/// Source: Wu, He, "Group Normalization", ECCV 2018; with one channel per group it is instance normalisation.
inline void forward_group_norm(const kernel_table& k, const operands<float>& o) {
    const shape s = o.n->in;
    const norm_pieces pieces(s, o.out.n);
    workspace_cursor cursor(o.workspace);
    auto* const found = reinterpret_cast<moments*>(cursor.take(pieces.tasks() * moments_elements));
    const std::ptrdiff_t constants = std::ptrdiff_t{pieces.samples} * pieces.blocks * 4 * lanes;
    float* const memory = cursor.take(constants);
    std::fill_n(memory, constants, 0.0f);
    detail::for_group_statistics(k, o, pieces, found, [&](int sample, int first, int last, double mean, double rstd) {
        for (int c = first; c < last; ++c) {
            const detail::group_block of(memory, pieces.blocks, sample, c / lanes);
            const double scale = o.weight != nullptr ? rstd * static_cast<double>(o.weight[c]) : rstd;
            of.a[c % lanes] = static_cast<float>(scale);
            // About the scale as it is rounded, see finish_batch_norm.
            of.c[c % lanes] = static_cast<float>((o.bias != nullptr ? static_cast<double>(o.bias[c]) : 0.0) - mean * static_cast<double>(of.a[c % lanes]));
        }
    });
    o.pool->run(pieces.tasks(), [&](int task) {
        pieces.visit(task, [&](int sample, int block, int first, int pixels) {
            const detail::group_block of(memory, pieces.blocks, sample, block);
            float* const out = block_plane(o.out.data, s, sample, block);
            detail::for_read_tiles(k, locate(o.sources[0], sample, block), first, pixels,
                                   [&](const float* values, int at, int count) {
                                       k.read_row(values, count, {of.a, of.c, false}, out + std::ptrdiff_t{at} * lanes, false);
                                   });
        });
    });
}

/// As batch_norm's, with g = weight dy in place of dy and means over the group: grad_in = rstd (g - mean(g) - xhat mean(g xhat)).
inline void backward_group_norm(const kernel_table& k, const operands<float>& o) {
    const shape s = o.n->in;
    const norm_pieces pieces(s, o.out.n);
    workspace_cursor cursor(o.workspace);
    auto* const found = reinterpret_cast<moments*>(cursor.take(pieces.tasks() * moments_elements));
    float* const sums = cursor.take(pieces.tasks() * 2 * lanes);
    const std::ptrdiff_t constants = std::ptrdiff_t{pieces.samples} * pieces.blocks * 4 * lanes;
    float* const memory = cursor.take(constants);
    std::fill_n(memory, constants, 0.0f);
    // Until the sums are known, a holds 1 / deviation of each channel's group.
    detail::for_group_statistics(k, o, pieces, found, [&](int sample, int first, int last, double mean, double rstd) {
        for (int c = first; c < last; ++c) {
            const detail::group_block of(memory, pieces.blocks, sample, c / lanes);
            of.mean[c % lanes] = static_cast<float>(mean);
            of.a[c % lanes] = static_cast<float>(rstd);
        }
    });

    const auto visit = [&](int task, auto f) { // f(row, sample, block, first pixel, the block's constants)
        pieces.visit(task, [&](int sample, int block, int first, int pixels) {
            const detail::group_block of(memory, pieces.blocks, sample, block);
            detail::for_read_tiles(k, locate(o.sources[0], sample, block), first, pixels,
                                   [&](const float* values, int at, int count) {
                                       norm_row r;
                                       r.z = values;
                                       r.dy = block_plane(o.grad_out.data, s, sample, block) + std::ptrdiff_t{at} * lanes;
                                       r.pixels = count;
                                       r.mean = of.mean;
                                       r.forward = {of.mean, of.mean, false}; // without a ReLU neither is used
                                       f(r, sample, block, at, of);
                                   });
        });
    };
    o.pool->run(pieces.tasks(), [&](int task) {
        float* const of_piece = sums + std::ptrdiff_t{task} * 2 * lanes;
        std::fill_n(of_piece, 2 * lanes, 0.0f);
        visit(task, [&](const norm_row& r, int, int, int, const detail::group_block&) { k.norm_sums(r, of_piece); });
    });
    /// Sum of dy, or of dy (x - mean), over a channel of a sample.
    const auto sum_of = [&](int sample, int c, int which) {
        double total = 0;
        for (int piece = 0; piece < pieces.of_plane; ++piece)
            total += static_cast<double>(
                sums[(((std::ptrdiff_t{sample} * pieces.of_plane + piece) * pieces.blocks + c / lanes) * 2 + which) * lanes +
                     c % lanes]);
        return total;
    };
    for (int c = 0; c < s.c; ++c) {
        double weight = 0, bias = 0;
        for (int sample = 0; sample < pieces.samples; ++sample) {
            weight += sum_of(sample, c, 1) *
                      static_cast<double>(detail::group_block(memory, pieces.blocks, sample, c / lanes).a[c % lanes]);
            bias += sum_of(sample, c, 0);
        }
        if (o.grad_weight != nullptr) o.grad_weight[c] = static_cast<float>(weight);
        if (o.grad_bias != nullptr) o.grad_bias[c] = static_cast<float>(bias);
    }
    if (!o.sinks[0]) return;

    const int groups = o.n->a.groups, channels = s.c / groups;
    const double count = static_cast<double>(channels) * static_cast<double>(s.plane());
    o.pool->run(pieces.samples * groups, [&](int task) {
        const int sample = task / groups, begin = task % groups * channels;
        double first = 0, second = 0;
        for (int c = begin; c < begin + channels; ++c) {
            const double weight = o.weight != nullptr ? static_cast<double>(o.weight[c]) : 1.0;
            first += weight * sum_of(sample, c, 0);
            second += weight * sum_of(sample, c, 1);
        }
        for (int c = begin; c < begin + channels; ++c) {
            const detail::group_block of(memory, pieces.blocks, sample, c / lanes);
            const int lane = c % lanes;
            const double rstd = static_cast<double>(of.a[lane]);
            of.a[lane] = static_cast<float>(o.weight != nullptr ? rstd * static_cast<double>(o.weight[c]) : rstd);
            of.b[lane] = static_cast<float>(-rstd * rstd * rstd * second / count);
            of.c[lane] = static_cast<float>(-rstd * first / count);
        }
    });
    o.pool->run(pieces.tasks(), [&](int task) {
        visit(task, [&](const norm_row& r, int sample, int block, int at, const detail::group_block& of) {
            const located<float> to = locate(o.sinks[0], sample, block);
            if (to.plane != nullptr) k.norm_gradient(r, of.a, to.plane + std::ptrdiff_t{at} * lanes, to.accumulate);
        });
    });
}

} // namespace umsrep::cpu_ops
