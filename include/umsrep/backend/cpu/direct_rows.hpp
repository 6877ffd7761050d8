// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include <umsrep/backend/cpu/correlation.hpp>

/// What the direct kernels read where it does not lie as they need it.
namespace umsrep::cpu_ops {

/// Packs rows [first, first + rows) of a sample's source, from column `from` on: zeros outside, deferred norms applied.
inline void pack_rows(const kernel_table& k, const parts<const float>& source, shape s, int sample, int block, int first, int rows, int from, int columns, int pixel,
                      float* out) {
    const bool dense = stored_dense(s);
    const int inside_begin = std::clamp(-from, 0, columns), inside_end = std::clamp(s.w - from, inside_begin, columns);
    for (int r = 0; r < rows; ++r) {
        float* const row = out + std::ptrdiff_t{r} * columns * pixel;
        const int y = first + r;
        if (y < 0 || y >= s.h || inside_begin == inside_end) {
            std::fill(row, row + std::ptrdiff_t{columns} * pixel, 0.0f);
            continue;
        }
        std::fill(row, row + std::ptrdiff_t{inside_begin} * pixel, 0.0f);
        std::fill(row + std::ptrdiff_t{inside_end} * pixel, row + std::ptrdiff_t{columns} * pixel, 0.0f);
        if (!dense) {
            const located<const float> in = locate(source, sample, block);
            k.read_row(in.plane + (std::ptrdiff_t{y} * s.w + from + inside_begin) * lanes, inside_end - inside_begin, in.as, row + std::ptrdiff_t{inside_begin} * pixel, false);
            continue;
        }
        const part<const float>& p = source[0];
        const reading as = reading_of(p, block);
        const int channels = std::min(pixel, s.c - block * lanes);
        for (int c = 0; c < pixel; ++c) {
            const float* const in = p.data + sample * s.size() + (std::ptrdiff_t{block} * lanes + c) * s.plane() + std::ptrdiff_t{y} * s.w + from;
            for (int x = inside_begin; x < inside_end; ++x) {
                float v = c < channels ? in[x] : 0.0f;
                if (c < channels && as.scale != nullptr) v = v * as.scale[c] + as.shift[c];
                if (as.relu && v <= 0) v = 0;
                row[std::ptrdiff_t{x} * pixel + c] = v;
            }
        }
    }
}

} // namespace umsrep::cpu_ops
