// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include <umsrep/backend/cpu/bands.hpp>
#include <umsrep/backend/cpu/instruction_set.hpp>

/// Gradients of biases: sums over samples and pixels.
namespace umsrep::cpu_ops {

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
