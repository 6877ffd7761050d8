// SPDX-License-Identifier: MIT
// Kernels between blocks of 16 channels and a few dense planes, over `vec`; included by rows.inl. See row_table.hpp for what each computes.

/// Pixels at once: as many sums as the latency of the multiply-add asks for, or as there are registers.
inline constexpr int from_planes_pixels = tile_pixels >= 8 ? 8 : tile_pixels >= 4 ? 4 : 2;

template <int Pixels, bool Neighbours>
inline void window_sums(const plane_window& w, const float* weights, int x, vec* sum) {
    const std::ptrdiff_t step = Neighbours ? 1 : w.step;
    const float* const p = w.planes + x * step;
    for (int j = 0; j < w.count; ++j) {
        const vec weight = load(weights + j * lanes);
        const float* const q = p + w.offset[j];
#pragma GCC unroll 8
        for (int i = 0; i < Pixels; ++i) sum[i] = multiply_add(all(q[i * step]), weight, sum[i]);
    }
}

template <bool Neighbours>
inline void from_planes_as(const plane_window& w, const float* weights, int pixels, const output_reading& o, float* out) {
    const vec start = o.bias != nullptr ? load(o.bias) : zero();
    const bool accumulate = o.accumulate, streams = o.stream && !accumulate;
    const scaling then = scaling_of(o.then);
    moments* const m = o.statistics;
    vec origin = m != nullptr && m->count > 0 ? load(m->origin) : zero(), sum = zero(), square = zero();
    for (int x = 0, count = 0; x < pixels; x += count) {
        vec v[from_planes_pixels];
#pragma GCC unroll 8
        for (int i = 0; i < from_planes_pixels; ++i) v[i] = start; // all of them: g++ 12 warns of those that are not used else
        count = pixels - x >= from_planes_pixels ? from_planes_pixels : 1;
        if (count == from_planes_pixels) window_sums<from_planes_pixels, Neighbours>(w, weights, x, v);
        else window_sums<1, Neighbours>(w, weights, x, v);
        if (m != nullptr && m->count == 0 && x == 0) origin = v[count / 2];
        vec few_sums[2] = {zero(), zero()}, few_squares[2] = {zero(), zero()}; // two: additions need not wait for one another
#pragma GCC unroll 8
        for (int i = 0; i < from_planes_pixels; ++i) {
            if (i >= count) break;
            float* const p = out + (x + i) * lanes;
            v[i] = apply(then, v[i]);
            if (m != nullptr) {
                const vec d = v[i] - origin;
                few_sums[i % 2] = few_sums[i % 2] + d;
                few_squares[i % 2] = multiply_add(d, d, few_squares[i % 2]);
            }
            if (accumulate) v[i] = v[i] + load(p);
            if (streams) stream(p, v[i]);
            else store(p, v[i]);
        }
        sum = sum + (few_sums[0] + few_sums[1]);
        square = square + (few_squares[0] + few_squares[1]);
    }
    if (streams) finish_streams();
    if (m == nullptr) return;
    add_moments(*m, origin, sum, square);
    m->count += pixels;
}
inline void from_planes(const plane_window& w, const float* weights, int pixels, const output_reading& o, float* out) {
    return w.step == 1 ? from_planes_as<true>(w, weights, pixels, o, out) : from_planes_as<false>(w, weights, pixels, o, out);
}

/// Sums in registers.
inline constexpr int plane_sums = tile_pixels >= 9 ? 9 : tile_pixels >= 6 ? 6 : 3;

/// `Count` values of the window; where they are few, several pixels at once.
template <int Count>
inline void plane_products_tile(const plane_window& w, int first, const float* in, const scaling& s, int x, int end, float* sums) {
    constexpr int pixels = plane_sums / Count;
    vec sum[pixels][Count];
#pragma GCC unroll 9
    for (int i = 0; i < pixels; ++i)
#pragma GCC unroll 9
        for (int j = 0; j < Count; ++j) sum[i][j] = zero();
    const float* p[Count];
#pragma GCC unroll 9
    for (int j = 0; j < Count; ++j) p[j] = w.planes + w.offset[first + j];
    for (; x + pixels <= end; x += pixels)
#pragma GCC unroll 9
        for (int i = 0; i < pixels; ++i) {
            const vec v = read(in + (x + i) * lanes, s);
#pragma GCC unroll 9
            for (int j = 0; j < Count; ++j) sum[i][j] = multiply_add(all(p[j][(x + i) * w.step]), v, sum[i][j]);
        }
    for (; x < end; ++x) {
        const vec v = read(in + x * lanes, s);
#pragma GCC unroll 9
        for (int j = 0; j < Count; ++j) sum[0][j] = multiply_add(all(p[j][x * w.step]), v, sum[0][j]);
    }
#pragma GCC unroll 9
    for (int j = 0; j < Count; ++j) {
#pragma GCC unroll 9
        for (int i = 1; i < pixels; ++i) sum[0][j] = sum[0][j] + sum[i][j];
        add_to(sums + (first + j) * lanes, sum[0][j]);
    }
}

inline void plane_products(const plane_window& w, const float* in, const reading& as, int pixels, float* sums) {
    constexpr int stretch = 256; // stays in the nearest cache from one tile of sums to the next
    const scaling s = scaling_of(as);
    for (int x = 0; x < pixels; x += stretch) {
        const int end = pixels - x < stretch ? pixels : x + stretch;
        int j = 0;
        for (; j + plane_sums <= w.count; j += plane_sums) plane_products_tile<plane_sums>(w, j, in, s, x, end, sums);
        if constexpr (plane_sums > 3)
            for (; j + 3 <= w.count; j += 3) plane_products_tile<3>(w, j, in, s, x, end, sums);
        for (; j < w.count; ++j) plane_products_tile<1>(w, j, in, s, x, end, sums);
    }
}
/// Products of the channels of `Pixels` pixels, from pixel x on, not yet added across the lanes.
template <int Pixels>
inline void channel_products(const projected_row& r, const float* weights, int x, vec* products) {
    vec sum[Pixels];
#pragma GCC unroll 4
    for (int i = 0; i < Pixels; ++i) sum[i] = zero();
    for (int b = 0; b < r.count; ++b) {
        const block_row& block = r.blocks[b];
        const scaling s = scaling_of(block.as);
        const vec weight = load(weights + b * lanes);
        const float* const p = block.first + x * lanes;
#pragma GCC unroll 4
        for (int i = 0; i < Pixels; ++i) sum[i] = multiply_add(read(p + i * lanes, s), weight, sum[i]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < Pixels; ++i) products[i] = sum[i];
}

inline void to_planes(const projected_row& r) {
    const bool scaled = r.then.scale != nullptr;
    for (int x = 0; x < r.pixels; x += lanes) {
        const int count = r.pixels - x < lanes ? r.pixels - x : lanes;
        const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(float);
        for (int k = 0; k < r.results; ++k) {
            const float* const weights = r.weights + static_cast<std::ptrdiff_t>(k) * r.count * lanes;
            vec products[lanes];
            if (count == lanes) {
#pragma GCC unroll 4
                for (int i = 0; i < lanes; i += 4) channel_products<4>(r, weights, x + i, products + i);
            } else {
                for (int i = 0; i < lanes; ++i) products[i] = zero();
                for (int i = 0; i < count; ++i) channel_products<1>(r, weights, x + i, products + i);
            }
            vec v = lane_sums(products);
            if (r.bias != nullptr) v = v + all(r.bias[k]);
            if (scaled) v = multiply_add(v, all(r.then.scale[k]), all(r.then.shift[k]));
            if (r.then.relu) v = positive(v);
            float* const out = r.out + k * r.plane + x;
            if (count == lanes) {
                store(out, r.accumulate ? v + load(out) : v);
                continue;
            }
            float last[lanes] = {};
            if (r.accumulate) {
                __builtin_memcpy(last, out, bytes);
                v = v + load(last);
            }
            store(last, v);
            __builtin_memcpy(out, last, bytes);
        }
    }
}
