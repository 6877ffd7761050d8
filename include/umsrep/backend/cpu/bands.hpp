// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>

#include <umsrep/backend/cpu/layout.hpp>
#include <umsrep/core/thread_pool.hpp>

/// How ops that go through memory are cut into tasks: by the shape alone, so that every number of threads gives the same bits.
namespace umsrep::cpu_ops {

inline constexpr int task_pixels = 2048; ///< of 16 channels, about: 128 KiB, enough to outweigh handing it out

constexpr int rows_of_band(shape s) { return std::max(1, task_pixels / s.w); }
constexpr int bands_of(shape s) { return (s.h + rows_of_band(s) - 1) / rows_of_band(s); }

/// f(sample, block) for every block of channels of a batch.
template <class F>
void for_blocks(thread_pool& pool, int batch, int channels, F f) {
    const int blocks = blocks_of(channels);
    pool.run(batch * blocks, [&](int task) { f(task / blocks, task % blocks); });
}

/// f(sample, block, first, last) for bands of rows [first, last) of every block of a batch of shape s.
template <class F>
void for_bands(thread_pool& pool, int batch, shape s, F f) {
    const int rows = rows_of_band(s), bands = bands_of(s), blocks = blocks_of(s.c);
    pool.run(batch * blocks * bands, [&](int task) {
        const int first = task % bands * rows;
        f(task / bands / blocks, task / bands % blocks, first, std::min(s.h, first + rows));
    });
}

} // namespace umsrep::cpu_ops
