// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include <umsrep/backend/cpu/bands.hpp>
#include <umsrep/backend/cpu/instruction_set.hpp>

/// Pools of blocked values. Those of windows need blocked results too, global_avg_pool a blocked input; everything else takes the adapter.
namespace umsrep::cpu_ops {

constexpr bool pools_blocks(const node& n) {
    return !stored_dense(n.in) && (n.kind == op::global_avg_pool || !stored_dense(n.out));
}

namespace detail {

/// The windows of row y of the results; the first of their rows that is inside of the plane.
struct pooled_row {
    window_row windows{};
    int first = 0;
    pooled_row(const node& n, int y) : first{y * n.a.stride.h - n.a.padding.h} {
        const attributes& a = n.a;
        int rows = a.kernel.h;
        for (; first < 0; --rows) first += a.dilation.h;
        while (first + (rows - 1) * a.dilation.h >= n.in.h) --rows;
        windows.results = n.out.w;
        windows.rows = rows;
        windows.row_step = std::ptrdiff_t{a.dilation.h} * n.in.w * lanes;
        windows.width = n.in.w;
        windows.kernel = a.kernel.w;
        windows.stride = a.stride.w;
        windows.padding = a.padding.w;
        windows.dilation = a.dilation.w;
        windows.divisor = a.count_include_pad ? a.kernel.h * a.kernel.w : 0;
    }
};

/// row(in, as, windows, out) for every row of the results.
template <class Row>
void for_pooled_rows(const operands<float>& o, Row row) {
    const node& n = *o.n;
    for_bands(*o.pool, o.out.n, n.out, [&](int sample, int block, int first, int last) {
        const located<const float> in = locate(o.sources[0], sample, block);
        float* const out = block_plane(o.out.data, n.out, sample, block);
        for (int y = first; y < last; ++y) {
            const pooled_row at(n, y);
            row(in.plane + std::ptrdiff_t{at.first} * n.in.w * lanes, in.as, at.windows,
                out + std::ptrdiff_t{y} * n.out.w * lanes);
        }
    });
}

/// row(sample, block, first pixel, windows, dy, to, add) for every row of the results; pixels that no window sees get 0.
template <class Row>
void for_pooled_gradient_rows(const operands<float>& o, Row row) {
    if (!o.sinks[0]) return;
    const node& n = *o.n;
    const bool tiles = n.a.kernel == n.a.stride && n.a.padding == extent{0} && n.a.dilation == extent{1};
    const auto band = [&](int sample, int block, int first, int last) {
        const located<float> to = locate(o.sinks[0], sample, block);
        if (to.plane == nullptr) return;
        const float* const dy = block_plane(o.grad_out.data, n.out, sample, block);
        const std::ptrdiff_t line = std::ptrdiff_t{n.in.w} * lanes;
        if (!to.accumulate) { // what the windows leave out, or where they overlap all
            const int seen_rows = tiles ? n.out.h * n.a.kernel.h : 0, seen_columns = tiles ? n.out.w * n.a.kernel.w : 0;
            if (seen_columns < n.in.w)
                for (int y = first * n.a.kernel.h; tiles && y < last * n.a.kernel.h; ++y)
                    std::fill(to.plane + y * line + std::ptrdiff_t{seen_columns} * lanes, to.plane + (y + 1) * line, 0.0f);
            if (last == n.out.h) std::fill(to.plane + seen_rows * line, to.plane + n.in.h * line, 0.0f);
        }
        for (int y = first; y < last; ++y) {
            const pooled_row at(n, y);
            row(sample, block, at.first * line, at.windows, dy + std::ptrdiff_t{y} * n.out.w * lanes, to.plane + at.first * line,
                to.accumulate || !tiles);
        }
    };
    if (tiles) for_bands(*o.pool, o.out.n, n.out, band);
    else for_blocks(*o.pool, o.out.n, n.out.c, [&](int sample, int block) { band(sample, block, 0, n.out.h); });
}

} // namespace detail

/// The largest pixel under each window; padding never wins. A NaN counts as the largest.
inline void forward_max_pool(const kernel_table& k, const operands<float>& o) {
    detail::for_pooled_rows(
        o, [&](const float* in, const reading& as, const window_row& w, float* out) { k.rows->max_pool(in, w, as, out); });
}

/// Each gradient goes to the first of the largest pixels, found again in the input.
inline void backward_max_pool(const kernel_table& k, const operands<float>& o) {
    detail::for_pooled_gradient_rows(
        o, [&](int sample, int block, std::ptrdiff_t first, const window_row& w, const float* dy, float* to, bool add) {
            const located<const float> in = locate(o.sources[0], sample, block);
            k.rows->max_pool_gradient(in.plane + first, w, in.as, dy, to, add);
        });
}

/// The mean under each window; with count_include_pad the zeros of the padding count.
inline void forward_avg_pool(const kernel_table& k, const operands<float>& o) {
    detail::for_pooled_rows(
        o, [&](const float* in, const reading& as, const window_row& w, float* out) { averages(k).avg_pool(in, w, as, out, false); });
}

inline void backward_avg_pool(const kernel_table& k, const operands<float>& o) {
    detail::for_pooled_gradient_rows(o, [&](int, int, std::ptrdiff_t, const window_row& w, const float* dy, float* to, bool add) {
        averages(k).avg_pool_gradient(w, dy, {}, to, add);
    });
}

/// The mean of each plane, which is stored dense. Rows are summed in float, their sums in double.
inline void forward_global_avg_pool(const kernel_table& k, const operands<float>& o) {
    const shape s = o.n->in;
    for_blocks(*o.pool, o.out.n, s.c, [&](int sample, int block) {
        const located<const float> in = locate(o.sources[0], sample, block);
        double total[lanes] = {};
        constexpr std::ptrdiff_t stretch = 256;
        for (std::ptrdiff_t p = 0; p < s.plane(); p += stretch) {
            alignas(64) float sums[lanes] = {};
            k.rows->sum(in.plane + p * lanes, static_cast<int>(std::min(stretch, s.plane() - p)), in.as, sums);
            for (int l = 0; l < lanes; ++l) total[l] += static_cast<double>(sums[l]);
        }
        float* const out = o.out.sample(sample) + block * lanes;
        for (int l = 0; l < std::min(lanes, s.c - block * lanes); ++l)
            out[l] = static_cast<float>(total[l] / static_cast<double>(s.plane()));
    });
}

inline void backward_global_avg_pool(const kernel_table& k, const operands<float>& o) {
    if (!o.sinks[0]) return;
    const shape s = o.n->in;
    for_bands(*o.pool, o.out.n, s, [&](int sample, int block, int first, int last) {
        const located<float> to = locate(o.sinks[0], sample, block);
        if (to.plane == nullptr) return;
        alignas(64) float share[lanes] = {};
        const float* const dy = o.grad_out.sample(sample) + block * lanes;
        for (int l = 0; l < std::min(lanes, s.c - block * lanes); ++l) share[l] = dy[l] / static_cast<float>(s.plane());
        k.rows->fill(share, (last - first) * s.w, to.plane + std::ptrdiff_t{first} * s.w * lanes, to.accumulate);
    });
}

} // namespace umsrep::cpu_ops
