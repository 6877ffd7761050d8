// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <umsrep/backend/cpu/elementwise.hpp>

namespace umsrep::cpu_ops {

namespace detail {

/// 1 where an element stays and 0 where it is dropped, for elements [first, first + count) of the plain batch; `step` apart in `mask`.
inline void keep_mask(const random_stream& random, std::ptrdiff_t first, int count, std::uint64_t threshold, float* mask,
                      std::ptrdiff_t step) {
    for (int i = 0; i < count;) {
        const std::uint64_t element = static_cast<std::uint64_t>(first + i);
        const auto numbers = random.block(element / 4);
        for (std::size_t j = element % 4; j < 4 && i < count; ++j, ++i) mask[i * step] = numbers[j] >= threshold ? 1.0f : 0.0f;
    }
}

/// to = from / (1 - p) where the element stays and 0 else; which ones stay depends on their place in N, C, H, W, not on the layout.
inline void drop(const kernel_table& k, const operands<float>& o, const parts<const float>& from, const parts<float>& to) {
    const double p = o.training ? o.n->a.value : 0;
    const auto threshold = static_cast<std::uint64_t>(p * 0x1p32); // of 2^32 equally likely numbers, this many drop
    if (threshold == 0) return map_runs(k.rows->identity, o, from, {}, to);
    const float keep = p < 1 ? static_cast<float>(1 / (1 - p)) : 0.0f;
    const shape s = o.n->out;
    const runs_of runs(s, read_alike(from));
    constexpr std::ptrdiff_t task = 8192, tile = 1024;
    const int pieces = static_cast<int>((runs.size + task - 1) / task);
    o.pool->run(o.out.n * runs.count * pieces, [&](int i) {
        const int piece = i % pieces, which = i / pieces % runs.count, sample = i / pieces / runs.count;
        const run<float> out(to, runs, sample, which);
        if (out->plane == nullptr) return;
        const run<const float> in(from, runs, sample, which);
        alignas(64) float mask[tile] = {}; // lanes without a channel stay 0
        for (std::ptrdiff_t at = piece * task; at < std::min(runs.size, (piece + 1) * task); at += tile) {
            const std::ptrdiff_t size = std::min(tile, runs.size - at), start = sample * s.size();
            if (runs.dense) {
                keep_mask(*o.random, start + which * runs.size + at, static_cast<int>(size), threshold, mask, 1);
            } else {
                const std::ptrdiff_t first = start + which * lanes * s.plane() + at / lanes;
                for (int l = 0; l < std::min(lanes, s.c - which * lanes); ++l)
                    keep_mask(*o.random, first + l * s.plane(), static_cast<int>(size / lanes), threshold, mask + l, lanes);
            }
            map_row m;
            m.x = in->plane + at;
            m.as_x = in->as;
            m.y = mask;
            m.out = out->plane + at;
            m.size = size;
            m.accumulate = out->accumulate;
            m.value = keep;
            dropouts(k).drop(m);
        }
    });
}

} // namespace detail

/// Dropout of blocked and dense values; see reference/dropout.hpp.
inline void forward_dropout(const kernel_table& k, const operands<float>& o) {
    detail::drop(k, o, o.sources[0], whole(o.out.data, o.n->out));
}

inline void backward_dropout(const kernel_table& k, const operands<float>& o) {
    if (o.sinks[0]) detail::drop(k, o, whole(o.grad_out.data, o.n->out), o.sinks[0]);
}

} // namespace umsrep::cpu_ops
