// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include <umsrep/backend/cpu/bands.hpp>
#include <umsrep/backend/cpu/instruction_set.hpp>

/// Upsampling of blocked values; dense ones take the adapter.
namespace umsrep::cpu_ops {

constexpr bool upsamples_blocks(const node& n) { return !stored_dense(n.in) && !stored_dense(n.out); }

namespace detail {

/// The pixels that each pixel of a row becomes: windows that tile the result. Their sum is the adjoint of spreading.
inline window_row enlarged_row(const node& n) {
    window_row w;
    w.results = n.in.w;
    w.rows = n.a.kernel.h;
    w.row_step = std::ptrdiff_t{n.out.w} * lanes;
    w.width = n.out.w;
    w.kernel = w.stride = n.a.kernel.w;
    w.divisor = 1;
    return w;
}

/// Between which two pixels result `position` lies along one axis. Pixel centres are at half integers (align_corners = false);
/// beyond the border the border's value goes on. In whole numbers of 1 / (2 factor), so the share is right to its last bit.
constexpr blend blend_at(int position, int factor, int size) {
    const int twice = std::max(0, 2 * position + 1 - factor), low = std::min(twice / (2 * factor), size - 1);
    return {low, std::min(low + 1, size - 1), static_cast<float>(twice - 2 * factor * low) / static_cast<float>(2 * factor)};
}

/// f(first column, columns, count) for pieces of a row of results.
template <class F>
void for_blends(const node& n, F f) {
    constexpr int most = 64;
    blend columns[most];
    for (int first = 0; first < n.out.w; first += most) {
        const int count = std::min(most, n.out.w - first);
        for (int i = 0; i < count; ++i) columns[i] = blend_at(first + i, n.a.kernel.w, n.in.w);
        f(first, columns, count);
    }
}

} // namespace detail

/// Every pixel becomes a rectangle of attributes.kernel pixels.
inline void forward_upsample_nearest(const kernel_table& k, const operands<float>& o) {
    const node& n = *o.n;
    const window_row w = detail::enlarged_row(n);
    for_bands(*o.pool, o.out.n, n.in, [&](int sample, int block, int first, int last) {
        const located<const float> in = locate(o.sources[0], sample, block);
        float* const out = block_plane(o.out.data, n.out, sample, block);
        for (int y = first; y < last; ++y)
            averages(k).avg_pool_gradient(w, in.plane + std::ptrdiff_t{y} * n.in.w * lanes, in.as,
                                          out + std::ptrdiff_t{y} * w.rows * w.row_step, false);
    });
}

inline void backward_upsample_nearest(const kernel_table& k, const operands<float>& o) {
    if (!o.sinks[0]) return;
    const node& n = *o.n;
    const window_row w = detail::enlarged_row(n);
    for_bands(*o.pool, o.out.n, n.in, [&](int sample, int block, int first, int last) {
        const located<float> to = locate(o.sinks[0], sample, block);
        if (to.plane == nullptr) return;
        const float* const dy = block_plane(o.grad_out.data, n.out, sample, block);
        for (int y = first; y < last; ++y)
            averages(k).avg_pool(dy + std::ptrdiff_t{y} * w.rows * w.row_step, w, {}, to.plane + std::ptrdiff_t{y} * n.in.w * lanes,
                                 to.accumulate);
    });
}

/// Bilinear interpolation by the factor attributes.kernel.
inline void forward_upsample_bilinear(const kernel_table& k, const operands<float>& o) {
    const node& n = *o.n;
    const std::ptrdiff_t line = std::ptrdiff_t{n.in.w} * lanes;
    for_bands(*o.pool, o.out.n, n.out, [&](int sample, int block, int first, int last) {
        const located<const float> in = locate(o.sources[0], sample, block);
        float* const out = block_plane(o.out.data, n.out, sample, block);
        detail::for_blends(n, [&](int x, const blend* columns, int count) {
            for (int y = first; y < last; ++y) {
                const blend v = detail::blend_at(y, n.a.kernel.h, n.in.h);
                blends(k).blend_row(in.plane + v.left * line, in.plane + v.right * line, v.share, columns, count, in.as,
                                  out + (std::ptrdiff_t{y} * n.out.w + x) * lanes);
            }
        });
    });
}

inline void backward_upsample_bilinear(const kernel_table& k, const operands<float>& o) {
    if (!o.sinks[0]) return;
    const node& n = *o.n;
    const std::ptrdiff_t line = std::ptrdiff_t{n.in.w} * lanes;
    for_blocks(*o.pool, o.out.n, n.out.c, [&](int sample, int block) {
        const located<float> to = locate(o.sinks[0], sample, block);
        if (to.plane == nullptr) return;
        if (!to.accumulate) std::fill(to.plane, to.plane + n.in.h * line, 0.0f);
        const float* const dy = block_plane(o.grad_out.data, n.out, sample, block);
        detail::for_blends(n, [&](int x, const blend* columns, int count) {
            for (int y = 0; y < n.out.h; ++y) {
                const blend v = detail::blend_at(y, n.a.kernel.h, n.in.h);
                blends(k).blend_row_gradient(dy + (std::ptrdiff_t{y} * n.out.w + x) * lanes, v.share, columns, count,
                                           to.plane + v.left * line, to.plane + v.right * line);
            }
        });
    });
}

} // namespace umsrep::cpu_ops
