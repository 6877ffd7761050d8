// SPDX-License-Identifier: MIT
// The kernels, written once over `vec`, sixteen floats; included once for each instruction set. See table.hpp for what each computes.

/// Fetches part `i` of `parts` of what a call fetches into the second cache.
inline void fetch_ahead(const ahead& next, int i, int parts) {
    const std::int64_t all = static_cast<std::int64_t>(next.lines) * next.blocks, of = static_cast<std::int64_t>(next.parts) * parts;
    const std::int64_t at = static_cast<std::int64_t>(next.part) * parts + i, begin = all * at / of, end = all * (at + 1) / of;
    std::int64_t block = begin / next.lines, line = begin % next.lines;
    for (std::int64_t left = end - begin; left > 0; --left) {
        __builtin_prefetch(next.first + block * next.block + line * lanes, 0, 2);
        if (++line == next.lines) {
            line = 0;
            ++block;
        }
    }
}

/// A tile of `Pixels` x `Units` sums stays in registers over the whole sum.
/// `Distance` of the pixels where it is known, which leaves their addresses to the instructions; 0: m.a_pixel.
template <int Pixels, int Units, int Distance>
inline void multiply_tile(const multiply_call& m, const float* a, const float* b, float* c, const float* bias) {
    vec sum[Pixels][Units];
#pragma GCC unroll 4
    for (int u = 0; u < Units; ++u) {
        const vec start = bias != nullptr ? load(bias + u * lanes) : zero();
#pragma GCC unroll 16
        for (int p = 0; p < Pixels; ++p) sum[p][u] = m.accumulate ? load(c + p * m.c_pixel + u * m.c_unit) : start;
    }
    const std::ptrdiff_t a_pixel = Distance != 0 ? std::ptrdiff_t{Distance} : m.a_pixel, b_unit = m.b_unit;
    for (int j = 0; j < m.blocks; ++j) {
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

using multiply_tile_function = void (*)(const multiply_call&, const float*, const float*, float*, const float*);

template <int Units, int Distance, std::size_t... Pixels>
constexpr std::array<multiply_tile_function, sizeof...(Pixels)> multiply_tiles_of(std::index_sequence<Pixels...>) {
    return {&multiply_tile<static_cast<int>(Pixels) + 1, Units, Distance>...};
}
template <int Units, int Distance>
inline constexpr auto multiply_tiles = multiply_tiles_of<Units, Distance>(std::make_index_sequence<std::size_t{tile_pixels}>{});

inline multiply_tile_function choose_tile(int units, std::ptrdiff_t distance, std::size_t pixels) {
    if (units < tile_units) return distance == lanes ? multiply_tiles<1, lanes>[pixels - 1] : multiply_tiles<1, 0>[pixels - 1];
    if (distance == lanes) return multiply_tiles<tile_units, lanes>[pixels - 1];
    return distance == 2 * lanes ? multiply_tiles<tile_units, 2 * lanes>[pixels - 1] : multiply_tiles<tile_units, 0>[pixels - 1];
}

inline void multiply(const multiply_call& m) {
    const int tiles = (m.pixels + tile_pixels - 1) / tile_pixels, all_tiles = tiles * ((m.units + tile_units - 1) / tile_units);
    for (int u = 0, done = 0; u < m.units;) {
        const int units = m.units - u >= tile_units ? tile_units : 1;
        const float* b = m.b + u * m.b_unit;
        float* c = m.c + u * m.c_unit;
        const float* bias = m.bias != nullptr ? m.bias + u * lanes : nullptr;
        for (int t = 0, first = 0; t < tiles; ++t) { // as even as can be
            const int next = static_cast<int>(static_cast<std::int64_t>(m.pixels) * (t + 1) / tiles);
            const multiply_tile_function tile = choose_tile(units, m.a_pixel, static_cast<std::size_t>(next - first));
            if (m.next.lines > 0) fetch_ahead(m.next, done++, all_tiles);
            tile(m, m.a + first * m.a_pixel, b, c + first * m.c_pixel, bias);
            first = next;
        }
        u += units;
    }
    if (m.stream) finish_streams();
}

template <int Channels, int Units>
inline void products_tile(const products_call& m, const float* a, const float* b, float* c) {
    vec sum[Channels][Units];
#pragma GCC unroll 16
    for (int i = 0; i < Channels; ++i)
#pragma GCC unroll 4
        for (int u = 0; u < Units; ++u) sum[i][u] = m.accumulate ? load(c + i * m.c_channel + u * m.c_unit) : zero();
    const std::ptrdiff_t a_pixel = m.a_pixel, b_pixel = m.b_pixel, b_unit = m.b_unit;
    for (int row = 0; row < m.rows; ++row) {
        const float* x = a + row * m.a_row;
        const float* y = b + row * m.b_row;
        for (int p = 0; p < m.pixels; ++p, x += a_pixel, y += b_pixel) {
            vec right[Units];
#pragma GCC unroll 4
            for (int u = 0; u < Units; ++u) right[u] = load(y + u * b_unit);
#pragma GCC unroll 16
            for (int i = 0; i < Channels; ++i) {
                const vec left = all(x[i]);
#pragma GCC unroll 4
                for (int u = 0; u < Units; ++u) sum[i][u] = multiply_add(left, right[u], sum[i][u]);
            }
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < Channels; ++i)
#pragma GCC unroll 4
        for (int u = 0; u < Units; ++u) store(c + i * m.c_channel + u * m.c_unit, sum[i][u]);
}

inline void products(const products_call& m) {
    const int fetches = (m.units + product_units - 1) / product_units * (m.channels / product_channels);
    for (int u = 0, done = 0; u < m.units;) {
        const int units = m.units - u >= product_units ? product_units : 1;
        const float* b = m.b + u * m.b_unit;
        float* c = m.c + u * m.c_unit;
        int i = 0;
        for (; i + product_channels <= m.channels; i += product_channels) {
            if (m.next.lines > 0) fetch_ahead(m.next, done++, fetches);
            if (units == product_units) products_tile<product_channels, product_units>(m, m.a + i, b, c + i * m.c_channel);
            else products_tile<product_channels, 1>(m, m.a + i, b, c + i * m.c_channel);
        }
        for (; i < m.channels; ++i) {
            if (units == product_units) products_tile<1, product_units>(m, m.a + i, b, c + i * m.c_channel);
            else products_tile<1, 1>(m, m.a + i, b, c + i * m.c_channel);
        }
        u += units;
    }
}

// How 16 channels are read: as they are, behind a ReLU, behind scale and shift, or behind both.
enum class read_as { plain, rectified, normalized, activated };

template <read_as How>
inline vec read(const float* p, vec scale, vec shift) {
    const vec x = load(p);
    if constexpr (How == read_as::plain) return x;
    else if constexpr (How == read_as::rectified) return positive(x);
    else if constexpr (How == read_as::normalized) return multiply_add(x, scale, shift);
    else return positive(multiply_add(x, scale, shift));
}

inline read_as how(const reading& r) {
    if (r.scale == nullptr) return r.relu ? read_as::rectified : read_as::plain;
    return r.relu ? read_as::activated : read_as::normalized;
}

// Winograd's F(4x4, 3x3) and F(3x3, 4x4) on the points 0, 1, -1, 2, -2. Lavin and Gray, "Fast algorithms for convolutional neural networks",
// 2016. Each of these transforms one line, reading elements `s` apart and writing them `t` apart.

/// Six inputs: rows of B^T.
inline void input_line(const vec* x, int s, vec* y, int t) {
    const vec four = all(4), minus_five = all(-5), two = all(2), minus_four = all(-4), minus_two = all(-2);
    const vec x0 = x[0], x1 = x[s], x2 = x[2 * s], x3 = x[3 * s], x4 = x[4 * s], x5 = x[5 * s];
    y[0] = multiply_add(four, x0, multiply_add(minus_five, x2, x4));
    const vec even = multiply_add(minus_four, x2, x4), odd = multiply_add(minus_four, x1, x3);
    y[t] = even + odd;
    y[2 * t] = even - odd;
    const vec even2 = x4 - x2, odd2 = x3 - x1;
    y[3 * t] = multiply_add(two, odd2, even2);
    y[4 * t] = multiply_add(minus_two, odd2, even2);
    y[5 * t] = multiply_add(four, x1, multiply_add(minus_five, x3, x5));
}

/// Six products to four outputs: rows of A^T.
inline void output_line(const vec* x, int s, vec* y, int t) {
    const vec a = x[s] + x[2 * s], b = x[s] - x[2 * s], c = x[3 * s] + x[4 * s], d = x[3 * s] - x[4 * s];
    y[0] = x[0] + a + c;
    y[t] = multiply_add(all(2), d, b);
    y[2 * t] = multiply_add(all(4), c, a);
    y[3 * t] = multiply_add(all(8), d, b) + x[5 * s];
}

/// Three weights to six: rows of G.
inline void weight_line(const vec* x, int s, vec* y, int t) {
    const vec x0 = x[0], x1 = x[s], x2 = x[2 * s], sixth = all(-1.0f / 6), part = all(1.0f / 24);
    y[0] = all(0.25f) * x0;
    const vec even = sixth * (x0 + x2), odd = sixth * x1;
    y[t] = even + odd;
    y[2 * t] = even - odd;
    const vec even2 = part * multiply_add(all(4), x2, x0), odd2 = all(1.0f / 12) * x1;
    y[3 * t] = even2 + odd2;
    y[4 * t] = even2 - odd2;
    y[5 * t] = x2;
}

/// Four output gradients to six: rows of G of F(3, 4).
inline void gradient_line(const vec* x, int s, vec* y, int t) {
    const vec x0 = x[0], x1 = x[s], x2 = x[2 * s], x3 = x[3 * s], sixth = all(-1.0f / 6), four = all(4);
    y[0] = all(0.25f) * x0;
    const vec even = sixth * (x0 + x2), odd = sixth * (x1 + x3);
    y[t] = even + odd;
    y[2 * t] = even - odd;
    const vec even2 = all(1.0f / 24) * multiply_add(four, x2, x0), odd2 = all(1.0f / 12) * multiply_add(four, x3, x1);
    y[3 * t] = even2 + odd2;
    y[4 * t] = even2 - odd2;
    y[5 * t] = x3;
}

/// Six products to three weight gradients: rows of A^T of F(3, 4).
inline void weight_gradient_line(const vec* x, int s, vec* y, int t) {
    const vec a = x[s] + x[2 * s], b = x[s] - x[2 * s], c = x[3 * s] + x[4 * s], d = x[3 * s] - x[4 * s];
    y[0] = x[0] + a + c;
    y[t] = multiply_add(all(2), d, b);
    y[2 * t] = multiply_add(all(4), c, a) + x[5 * s];
}

template <read_as How>
inline void input_tile(const float* p, std::ptrdiff_t row, vec scale, vec shift, float* out, std::ptrdiff_t position) {
    vec y[36];
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) {
        vec x[6];
#pragma GCC unroll 6
        for (int j = 0; j < 6; ++j) x[j] = read<How>(p + i * row + j * lanes, scale, shift);
        input_line(x, 1, y + 6 * i, 1);
    }
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) {
        vec z[6];
        input_line(y + j, 6, z, 1);
#pragma GCC unroll 6
        for (int i = 0; i < 6; ++i) store(out + (6 * i + j) * position, z[i]);
    }
}

/// A 6x6 tile that leaves the plane, with zeros there. (After scale and shift: padding is of the value, not of what it is computed from.)
template <int Size, read_as How>
inline void copy_tile(const float* plane, const tile_row& r, int x0, vec scale, vec shift, float* copy) {
    for (int i = 0; i < Size; ++i)
        for (int j = 0; j < Size; ++j) {
            const int y = r.y + i, x = x0 + j;
            const bool inside = y >= 0 && y < r.h && x >= 0 && x < r.w;
            store(copy + (i * Size + j) * lanes, inside ? read<How>(plane + (static_cast<std::ptrdiff_t>(y) * r.w + x) * lanes, scale, shift) : zero());
        }
}

template <read_as How>
inline void input_row(const float* plane, const tile_row& r, const reading& as, float* out) {
    const vec scale = as.scale != nullptr ? load(as.scale) : zero(), shift = as.scale != nullptr ? load(as.shift) : zero();
    const bool rows_inside = r.y >= 0 && r.y + 6 <= r.h;
    for (int t = 0; t < r.count; ++t, out += lanes) {
        const int x = r.x + 4 * t;
        if (rows_inside && x >= 0 && x + 6 <= r.w) {
            input_tile<How>(plane + (static_cast<std::ptrdiff_t>(r.y) * r.w + x) * lanes, static_cast<std::ptrdiff_t>(r.w) * lanes, scale, shift, out, r.position);
        } else {
            alignas(64) float copy[36 * lanes];
            copy_tile<6, How>(plane, r, x, scale, shift, copy);
            input_tile<read_as::plain>(copy, 6 * lanes, scale, shift, out, r.position);
        }
    }
}

inline void winograd_input(const float* plane, const tile_row& r, const reading& as, float* out) {
    switch (how(as)) {
    case read_as::plain: return input_row<read_as::plain>(plane, r, as, out);
    case read_as::rectified: return input_row<read_as::rectified>(plane, r, as, out);
    case read_as::normalized: return input_row<read_as::normalized>(plane, r, as, out);
    case read_as::activated: return input_row<read_as::activated>(plane, r, as, out);
    }
}

/// 16 channels of a batch-norm's backward pass: a g + b (z - mean) + c.
struct norm_backward {
    vec mean, scale, shift, a, b, c;
};
inline norm_backward norm_backward_of(const norm_reading& n) {
    return {load(n.mean), load(n.forward.scale), load(n.forward.shift), load(n.coefficients), load(n.coefficients + lanes), load(n.coefficients + 2 * lanes)};
}
template <bool Relu>
inline vec apply(const norm_backward& n, vec z, vec g) {
    if constexpr (Relu) g = where_positive(multiply_add(z, n.scale, n.shift), g);
    return multiply_add(n.a, g, multiply_add(n.b, z - n.mean, n.c));
}

enum class gradient_of { itself, norm, norm_and_relu };

template <gradient_of What>
inline void gradient_row(float* plane, const tile_row& r, const norm_reading* norm, float* out) {
    norm_backward n{};
    if constexpr (What != gradient_of::itself) n = norm_backward_of(*norm);
    const bool rows_inside = r.y + 4 <= r.h;
    for (int t = 0; t < r.count; ++t, out += lanes) {
        const int x0 = r.x + 4 * t;
        alignas(64) float copy[16 * lanes];
        const std::ptrdiff_t at = (static_cast<std::ptrdiff_t>(r.y) * r.w + x0) * lanes;
        const float* p = plane + at;
        std::ptrdiff_t row = static_cast<std::ptrdiff_t>(r.w) * lanes;
        const bool inside = rows_inside && x0 + 4 <= r.w;
        if (!inside) {
            if constexpr (What != gradient_of::itself) {
                for (int y = r.y; y < r.h && y < r.y + 4; ++y)
                    for (int x = x0; x < r.w && x < x0 + 4; ++x) {
                        const std::ptrdiff_t i = (static_cast<std::ptrdiff_t>(y) * r.w + x) * lanes;
                        store(plane + i, apply<What == gradient_of::norm_and_relu>(n, load(norm->z + i), load(plane + i)));
                    }
            }
            copy_tile<4, read_as::plain>(plane, r, x0, zero(), zero(), copy);
            p = copy;
            row = 4 * lanes;
        }
        vec y[24];
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            vec x[4];
#pragma GCC unroll 4
            for (int j = 0; j < 4; ++j) {
                x[j] = load(p + i * row + j * lanes);
                if constexpr (What != gradient_of::itself) {
                    if (inside) {
                        x[j] = apply<What == gradient_of::norm_and_relu>(n, load(norm->z + at + i * row + j * lanes), x[j]);
                        store(plane + at + i * row + j * lanes, x[j]);
                    }
                }
            }
            gradient_line(x, 1, y + 6 * i, 1);
        }
#pragma GCC unroll 6
        for (int j = 0; j < 6; ++j) {
            vec z[6];
            gradient_line(y + j, 6, z, 1);
#pragma GCC unroll 6
            for (int i = 0; i < 6; ++i) store(out + (6 * i + j) * r.position, z[i]);
        }
    }
}

inline void winograd_gradient(float* plane, const tile_row& r, const norm_reading* norm, float* out) {
    if (norm == nullptr) return gradient_row<gradient_of::itself>(plane, r, norm, out);
    return norm->forward.relu ? gradient_row<gradient_of::norm_and_relu>(plane, r, norm, out) : gradient_row<gradient_of::norm>(plane, r, norm, out);
}

inline void winograd_output(const float* in, const tile_row& r, const output_reading& o, float* plane) {
    const vec bias = o.bias != nullptr ? load(o.bias) : zero();
    const bool scaled = o.then.scale != nullptr, relu = o.then.relu, accumulate = o.accumulate, streams = o.stream && !accumulate;
    const vec scale = scaled ? load(o.then.scale) : all(1), shift = scaled ? load(o.then.shift) : zero();
    moments* const m = o.statistics;
    vec origin = zero(), sum = zero(), square = zero();
    if (m != nullptr && m->count > 0) {
        origin = load(m->origin);
        sum = load(m->sum);
        square = load(m->square);
    }
    const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(r.w) * lanes;
    const int height = r.h - r.y < 4 ? r.h - r.y : 4;
    for (int t = 0; t < r.count; ++t, in += lanes) {
        vec y[24];
#pragma GCC unroll 6
        for (int j = 0; j < 6; ++j) {
            vec x[6];
#pragma GCC unroll 6
            for (int i = 0; i < 6; ++i) x[i] = load(in + (6 * i + j) * r.position);
            output_line(x, 1, y + j, 6);
        }
        const int x0 = r.x + 4 * t, width = r.w - x0 < 4 ? r.w - x0 : 4;
        float* p = plane + (static_cast<std::ptrdiff_t>(r.y) * r.w + x0) * lanes;
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            if (i >= height) break;
            vec z[4];
            output_line(y + 6 * i, 1, z, 1);
#pragma GCC unroll 4
            for (int j = 0; j < 4; ++j) {
                if (j >= width) break;
                vec v = z[j] + bias;
                if (scaled) v = multiply_add(v, scale, shift);
                if (relu) v = positive(v);
                if (m != nullptr) {
                    if (m->count == 0 && t == 0 && i == 0 && j == 0) origin = v;
                    const vec d = v - origin;
                    sum = sum + d;
                    square = multiply_add(d, d, square);
                }
                if (accumulate) v = v + load(p + i * row + j * lanes);
                if (streams) stream(p + i * row + j * lanes, v);
                else store(p + i * row + j * lanes, v);
            }
        }
    }
    if (streams) finish_streams();
    if (m == nullptr) return;
    store(m->origin, origin);
    store(m->sum, sum);
    store(m->square, square);
    const int columns = r.w - r.x < 4 * r.count ? r.w - r.x : 4 * r.count;
    m->count += height * columns;
}

inline void winograd_weight(const float* w, std::ptrdiff_t step, float* out, std::ptrdiff_t position) {
    vec x[9], y[18];
#pragma GCC unroll 9
    for (int i = 0; i < 9; ++i) x[i] = load(w + i * step);
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) weight_line(x + j, 3, y + j, 3);
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) {
        vec z[6];
        weight_line(y + 3 * i, 1, z, 1);
#pragma GCC unroll 6
        for (int j = 0; j < 6; ++j) store(out + (6 * i + j) * position, z[j]);
    }
}

inline void winograd_weight_gradient(const float* u, std::ptrdiff_t position, int parts, std::ptrdiff_t part, float* dw) {
    vec y[18];
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) {
        vec x[6];
#pragma GCC unroll 6
        for (int i = 0; i < 6; ++i) {
            const float* p = u + (6 * i + j) * position;
            vec s = load(p);
            for (int k = 1; k < parts; ++k) s = s + load(p + k * part);
            x[i] = s;
        }
        weight_gradient_line(x, 1, y + j, 6);
    }
#pragma GCC unroll 3
    for (int i = 0; i < 3; ++i) {
        vec z[3];
        weight_gradient_line(y + 6 * i, 1, z, 1);
#pragma GCC unroll 3
        for (int j = 0; j < 3; ++j) store(dw + (3 * i + j) * lanes, z[j]);
    }
}

template <read_as How, bool Accumulate>
inline void read_row_as(const float* in, int pixels, const reading& as, float* out) {
    const vec scale = as.scale != nullptr ? load(as.scale) : zero(), shift = as.scale != nullptr ? load(as.shift) : zero();
    for (int p = 0; p < pixels; ++p) {
        vec v = read<How>(in + p * lanes, scale, shift);
        if constexpr (Accumulate) v = v + load(out + p * lanes);
        store(out + p * lanes, v);
    }
}

inline void read_row(const float* in, int pixels, const reading& as, float* out, bool accumulate) {
    switch (how(as)) {
    case read_as::plain: return accumulate ? read_row_as<read_as::plain, true>(in, pixels, as, out) : read_row_as<read_as::plain, false>(in, pixels, as, out);
    case read_as::rectified:
        return accumulate ? read_row_as<read_as::rectified, true>(in, pixels, as, out) : read_row_as<read_as::rectified, false>(in, pixels, as, out);
    case read_as::normalized:
        return accumulate ? read_row_as<read_as::normalized, true>(in, pixels, as, out) : read_row_as<read_as::normalized, false>(in, pixels, as, out);
    case read_as::activated:
        return accumulate ? read_row_as<read_as::activated, true>(in, pixels, as, out) : read_row_as<read_as::activated, false>(in, pixels, as, out);
    }
}

inline void moments_of_row(const float* in, int pixels, moments& m) {
    vec origin = load(in), sum = zero(), square = zero();
    if (m.count > 0) {
        origin = load(m.origin);
        sum = load(m.sum);
        square = load(m.square);
    }
    for (int p = 0; p < pixels; ++p) {
        const vec d = load(in + p * lanes) - origin;
        sum = sum + d;
        square = multiply_add(d, d, square);
    }
    store(m.origin, origin);
    store(m.sum, sum);
    store(m.square, square);
    m.count += pixels;
}

template <bool Relu>
inline void norm_sums_as(const norm_row& r, float* sums) {
    const vec mean = load(r.mean), scale = load(r.forward.scale), shift = load(r.forward.shift);
    vec first = load(sums), second = load(sums + lanes), first2 = zero(), second2 = zero();
    int p = 0;
    for (; p + 2 <= r.pixels; p += 2) {
        const vec z = load(r.z + p * lanes), z2 = load(r.z + (p + 1) * lanes);
        vec g = load(r.dy + p * lanes), g2 = load(r.dy + (p + 1) * lanes);
        if constexpr (Relu) {
            g = where_positive(multiply_add(z, scale, shift), g);
            g2 = where_positive(multiply_add(z2, scale, shift), g2);
        }
        first = first + g;
        first2 = first2 + g2;
        second = multiply_add(g, z - mean, second);
        second2 = multiply_add(g2, z2 - mean, second2);
    }
    if (p < r.pixels) {
        const vec z = load(r.z + p * lanes);
        vec g = load(r.dy + p * lanes);
        if constexpr (Relu) g = where_positive(multiply_add(z, scale, shift), g);
        first = first + g;
        second = multiply_add(g, z - mean, second);
    }
    store(sums, first + first2);
    store(sums + lanes, second + second2);
}

inline void norm_sums(const norm_row& r, float* sums) { return r.forward.relu ? norm_sums_as<true>(r, sums) : norm_sums_as<false>(r, sums); }

template <bool Relu>
inline void norm_gradient_as(const norm_row& r, const float* coefficients, float* out, bool accumulate) {
    const norm_backward n = norm_backward_of({r.z, r.mean, coefficients, r.forward});
    for (int p = 0; p < r.pixels; ++p) {
        vec v = apply<Relu>(n, load(r.z + p * lanes), load(r.dy + p * lanes));
        if (accumulate) v = v + load(out + p * lanes);
        store(out + p * lanes, v);
    }
}

inline void norm_gradient(const norm_row& r, const float* coefficients, float* out, bool accumulate) {
    return r.forward.relu ? norm_gradient_as<true>(r, coefficients, out, accumulate) : norm_gradient_as<false>(r, coefficients, out, accumulate);
}

#include <umsrep/backend/cpu/kernel/rows.inl>

inline constexpr kernel_table table{instruction_set_name,     &multiply,        &products,       &winograd_input,
                                    &winograd_output,         &winograd_gradient, &winograd_weight, &winograd_weight_gradient,
                                    &read_row,                &moments_of_row,  &norm_sums,      &norm_gradient,
                                    &transpose,               &row_kernels};
