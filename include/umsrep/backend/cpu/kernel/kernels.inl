// SPDX-License-Identifier: MIT
// The kernels, written once over `vec`, sixteen floats; included once for each instruction set. See table.hpp for what each computes.

#include <umsrep/backend/cpu/kernel/fetching.inl>

/// A tile of `Pixels` x `Units` sums stays in registers over the whole sum.
/// `Distance` of the pixels where it is known, which leaves their addresses to the instructions; 0: m.a_pixel.
template <int Pixels, int Units, int Distance>
inline void multiply_tile(const multiply_call& m, const float* a, const float* b, float* c, const float* bias, fetching next) {
    vec sum[Pixels][Units];
#pragma GCC unroll 4
    for (int u = 0; u < Units; ++u) {
        const vec start = bias != nullptr ? load(bias + u * lanes) : zero();
#pragma GCC unroll 16
        for (int p = 0; p < Pixels; ++p) sum[p][u] = m.accumulate ? load(c + p * m.c_pixel + u * m.c_unit) : start;
    }
    const std::ptrdiff_t a_pixel = Distance != 0 ? std::ptrdiff_t{Distance} : m.a_pixel, b_unit = m.b_unit;
    const int fetched = next.in_each_of(m.blocks);
    for (int j = 0; j < m.blocks; ++j) {
        next.at = fetch(next.at, fetched);
        const float* x = a + m.a_offset[j];
        const float* w = b + m.b_offset[j];
        for (int i = 0; i < m.inner; ++i, ++x, w += lanes) {
            vec weight[Units];
#pragma GCC unroll 4
            for (int u = 0; u < Units; ++u) weight[u] = load(w + u * b_unit);
#pragma GCC unroll 16
            for (int p = 0; p < Pixels; ++p) {
                const vec pixel = all(x[p * a_pixel]);
#pragma GCC unroll 4
                for (int u = 0; u < Units; ++u) sum[p][u] = multiply_add(pixel, weight[u], sum[p][u]);
            }
        }
    }
    if (m.stream) {
#pragma GCC unroll 16
        for (int p = 0; p < Pixels; ++p)
#pragma GCC unroll 4
            for (int u = 0; u < Units; ++u) stream(c + p * m.c_pixel + u * m.c_unit, sum[p][u]);
        return;
    }
#pragma GCC unroll 16
    for (int p = 0; p < Pixels; ++p)
#pragma GCC unroll 4
        for (int u = 0; u < Units; ++u) store(c + p * m.c_pixel + u * m.c_unit, sum[p][u]);
}

using multiply_tile_function = void (*)(const multiply_call&, const float*, const float*, float*, const float*, fetching);

/// Tiles of 1 to `size` pixels.
struct multiply_tiles {
    const multiply_tile_function* tile;
    int size;
    int over(int pixels) const { return (pixels + size - 1) / size; }
};
template <int Units, int Distance, int... Pixels>
inline constexpr multiply_tile_function tiles_of[] = {&multiply_tile<Pixels + 1, Units, Distance>...};
template <int Units, int Distance, int... Pixels>
constexpr multiply_tiles make_tiles(std::integer_sequence<int, Pixels...>) {
    return {tiles_of<Units, Distance, Pixels...>, sizeof...(Pixels)};
}
/// Neighbouring pixels of two units are what most products are of; the rest makes do with fewer kinds of tiles.
inline multiply_tiles choose_tiles(int units, std::ptrdiff_t distance) {
    constexpr std::make_integer_sequence<int, tile_pixels> every;
    constexpr std::make_integer_sequence<int, few_tile_pixels> few;
    if (units < tile_units) return make_tiles<1, 0>(few);
    if (distance == lanes) return make_tiles<tile_units, lanes>(every);
    return distance == 2 * lanes ? make_tiles<tile_units, 2 * lanes>(few) : make_tiles<tile_units, 0>(few);
}

inline void multiply(const multiply_call& m) {
    const multiply_tiles wide = choose_tiles(tile_units, m.a_pixel), narrow = choose_tiles(1, m.a_pixel);
    const int all_tiles = m.units / tile_units * wide.over(m.pixels) + m.units % tile_units * narrow.over(m.pixels);
    for (int u = 0, done = 0; u < m.units;) {
        const int units = m.units - u >= tile_units ? tile_units : 1;
        const multiply_tiles& kinds = units == tile_units ? wide : narrow;
        const int tiles = kinds.over(m.pixels);
        const float* b = m.b + u * m.b_unit;
        float* c = m.c + u * m.c_unit;
        const float* bias = m.bias != nullptr ? m.bias + u * lanes : nullptr;
        for (int t = 0, first = 0; t < tiles; ++t) { // as even as can be
            const int next = static_cast<int>(static_cast<std::int64_t>(m.pixels) * (t + 1) / tiles);
            kinds.tile[next - first - 1](m, m.a + first * m.a_pixel, b, c + first * m.c_pixel, bias, start_fetching(m.next, done++, all_tiles));
            first = next;
        }
        u += units;
    }
    if (m.stream) finish_streams();
}

inline constexpr int pixels_per_fetch = 32;

template <int Channels, int Units>
inline void products_tile(const products_call& m, const float* a, const float* b, float* c, fetching next) {
    vec sum[Channels][Units];
#pragma GCC unroll 16
    for (int i = 0; i < Channels; ++i)
#pragma GCC unroll 4
        for (int u = 0; u < Units; ++u) sum[i][u] = m.accumulate ? load(c + i * m.c_channel + u * m.c_unit) : zero();
    const std::ptrdiff_t a_pixel = m.a_pixel, b_pixel = m.b_pixel, b_unit = m.b_unit;
    const int fetched = next.in_each_of(m.rows * ((m.pixels + pixels_per_fetch - 1) / pixels_per_fetch));
    for (int row = 0; row < m.rows; ++row) {
        const float* x = a + row * m.a_row;
        const float* y = b + row * m.b_row;
        for (int left = m.pixels; left > 0; left -= pixels_per_fetch) {
            next.at = fetch(next.at, fetched);
            for (int p = left < pixels_per_fetch ? left : pixels_per_fetch; p > 0; --p, x += a_pixel, y += b_pixel) {
                vec right[Units];
#pragma GCC unroll 4
                for (int u = 0; u < Units; ++u) right[u] = load(y + u * b_unit);
#pragma GCC unroll 16
                for (int i = 0; i < Channels; ++i) {
                    const vec channel = all(x[i]);
#pragma GCC unroll 4
                    for (int u = 0; u < Units; ++u) sum[i][u] = multiply_add(channel, right[u], sum[i][u]);
                }
            }
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < Channels; ++i)
#pragma GCC unroll 4
        for (int u = 0; u < Units; ++u) store(c + i * m.c_channel + u * m.c_unit, sum[i][u]);
}

inline void products(const products_call& m) {
    const int tiles = (m.units + product_units - 1) / product_units * (m.channels / product_channels);
    for (int u = 0, done = 0; u < m.units;) {
        const int units = m.units - u >= product_units ? product_units : 1;
        const float* b = m.b + u * m.b_unit;
        float* c = m.c + u * m.c_unit;
        int i = 0;
        for (; i + product_channels <= m.channels; i += product_channels) {
            const fetching next = start_fetching(m.next, done++, tiles);
            if (units == product_units) products_tile<product_channels, product_units>(m, m.a + i, b, c + i * m.c_channel, next);
            else products_tile<product_channels, 1>(m, m.a + i, b, c + i * m.c_channel, next);
        }
        for (; i < m.channels; ++i) {
            if (units == product_units) products_tile<1, product_units>(m, m.a + i, b, c + i * m.c_channel, {});
            else products_tile<1, 1>(m, m.a + i, b, c + i * m.c_channel, {});
        }
        u += units;
    }
}

/// How 16 channels are read, whatever the reading: without scale and shift these are 1 and 0, without a ReLU the floor is minus infinity. One way, for
/// most kernels wait for memory anyhow, and each kind more would have to be compiled for each set of instructions.
struct scaling {
    vec scale, shift, floor;
};
inline scaling scaling_of(const reading& r) {
    const vec floor = all(r.relu ? 0.0f : -__builtin_inff());
    if (r.scale == nullptr) return {all(1), zero(), floor};
    return {load(r.scale), load(r.shift), floor};
}
inline vec apply(const scaling& s, vec x) { return at_least(s.floor, multiply_add(x, s.scale, s.shift)); }
inline vec read(const float* p, const scaling& s) { return apply(s, load(p)); }

/// The gradient of a ReLU behind scale and shift: of 0 z + 1, always open, where there is none.
struct relu_gate {
    vec scale, shift;
};
inline relu_gate relu_gate_of(const reading& forward) {
    if (!forward.relu) return {zero(), all(1)};
    return {load(forward.scale), load(forward.shift)};
}
inline vec apply(const relu_gate& gate, vec z, vec g) { return where_positive(multiply_add(z, gate.scale, gate.shift), g); }

/// 16 channels of a batch-norm's backward pass: a g + b (z - mean) + c.
struct norm_backward {
    relu_gate gate;
    vec mean, a, b, c;
};
inline norm_backward norm_backward_of(const norm_reading& n) {
    return {relu_gate_of(n.forward), load(n.mean), load(n.coefficients), load(n.coefficients + lanes), load(n.coefficients + 2 * lanes)};
}
inline vec apply(const norm_backward& n, vec z, vec g) { return multiply_add(n.a, apply(n.gate, z, g), multiply_add(n.b, z - n.mean, n.c)); }

/// Sums of few values come to sums of few of those: thousands of equal values, of a large background, would all round the same way.
inline void add_moments(moments& m, vec origin, vec sum, vec square) {
    store(m.origin, origin);
    store(m.sum, m.count > 0 ? load(m.sum) + sum : sum);
    store(m.square, m.count > 0 ? load(m.square) + square : square);
}

#include <umsrep/backend/cpu/kernel/winograd.inl>

inline void read_row(const float* in, int pixels, const reading& as, float* out, bool accumulate) {
    const scaling s = scaling_of(as);
    for (int p = 0; p < pixels; ++p) {
        const vec v = read(in + p * lanes, s);
        store(out + p * lanes, accumulate ? v + load(out + p * lanes) : v);
    }
}

inline void moments_of_row(const float* in, int pixels, moments& m) {
    const vec origin = m.count > 0 ? load(m.origin) : load(in + (pixels > 8 ? pixels / 2 + 3 : 0) * lanes); // of whole rows, not at their edges
    vec sum = zero(), square = zero();
    for (int first = 0; first < pixels; first += 64) {
        const int last = first + 64 < pixels ? first + 64 : pixels;
        vec stretch_sum = zero(), stretch_square = zero();
        for (int p = first; p < last; ++p) {
            const vec d = load(in + p * lanes) - origin;
            stretch_sum = stretch_sum + d;
            stretch_square = multiply_add(d, d, stretch_square);
        }
        sum = sum + stretch_sum;
        square = square + stretch_square;
    }
    add_moments(m, origin, sum, square);
    m.count += pixels;
}

inline void norm_sums(const norm_row& r, float* sums) {
    const vec mean = load(r.mean);
    const relu_gate gate = relu_gate_of(r.forward);
    vec first = load(sums), second = load(sums + lanes), first2 = zero(), second2 = zero();
    int p = 0;
    for (; p + 2 <= r.pixels; p += 2) {
        const vec z = load(r.z + p * lanes), z2 = load(r.z + (p + 1) * lanes);
        const vec g = apply(gate, z, load(r.dy + p * lanes)), g2 = apply(gate, z2, load(r.dy + (p + 1) * lanes));
        first = first + g;
        first2 = first2 + g2;
        second = multiply_add(g, z - mean, second);
        second2 = multiply_add(g2, z2 - mean, second2);
    }
    if (p < r.pixels) {
        const vec z = load(r.z + p * lanes);
        const vec g = apply(gate, z, load(r.dy + p * lanes));
        first = first + g;
        second = multiply_add(g, z - mean, second);
    }
    store(sums, first + first2);
    store(sums + lanes, second + second2);
}

inline void norm_gradient(const norm_row& r, const float* coefficients, float* out, bool accumulate) {
    const norm_backward n = norm_backward_of({r.z, r.mean, coefficients, r.forward});
    for (int p = 0; p < r.pixels; ++p) {
        const vec v = apply(n, load(r.z + p * lanes), load(r.dy + p * lanes));
        store(out + p * lanes, accumulate ? v + load(out + p * lanes) : v);
    }
}

#include <umsrep/backend/cpu/kernel/rows.inl>

inline constexpr kernel_table table{instruction_set_name,     &multiply,        &products,       &winograd_input,
                                    &winograd_output,         &winograd_gradient, &winograd_weight, &winograd_weight_gradient,
                                    &read_row,                &moments_of_row,  &norm_sums,      &norm_gradient,
                                    &transpose,               &row_kernels};
