// SPDX-License-Identifier: MIT
// Kernels that go through memory row by row, written once over `vec`; included by kernels.inl. See row_table.hpp for what each computes.

/// The columns of a window that are inside of the plane: `count` from `first` on, `dilation` apart.
struct window_columns {
    int first, count;
};
/// Size: of square windows that lie inside of the plane and have no gaps; 0: any.
template <int Size>
inline window_columns columns_of(const window_row& w, int x) {
    window_columns c{x * w.stride, Size};
    if constexpr (Size == 0) {
        c = {x * w.stride - w.padding, w.kernel};
        for (; c.first < 0; --c.count) c.first += w.dilation;
        while (c.first + (c.count - 1) * w.dilation >= w.width) --c.count;
    }
    return c;
}
inline bool is_plain_2x2(const window_row& w) { return w.rows == 2 && w.kernel == 2 && w.padding == 0 && w.dilation == 1; }

/// The largest values under a window and the numbers of their taps, row-major: the first of equals; a NaN counts as the largest.
struct largest {
    vec value, tap;
};
template <int Size>
inline largest largest_of(const float* in, const window_row& w, const window_columns& c, const scaling& s) {
    const int rows = Size > 0 ? Size : w.rows, columns = Size > 0 ? Size : c.count;
    const std::ptrdiff_t step = Size > 0 ? lanes : std::ptrdiff_t{w.dilation} * lanes;
    const float* p = in + std::ptrdiff_t{c.first} * lanes;
    largest best{read(p, s), zero()};
    float tap = 0;
#pragma GCC unroll 2
    for (int i = 0; i < rows; ++i, p += w.row_step)
#pragma GCC unroll 2
        for (int j = 0; j < columns; ++j, ++tap) {
            const vec x = read(p + j * step, s);
            const mask larger = greater_or_nan(x, best.value);
            best.value = select(larger, x, best.value);
            best.tap = select(larger, all(tap), best.tap);
        }
    return best;
}

template <int Size>
inline void max_pool_as(const float* in, const window_row& w, const reading& as, float* out) {
    const scaling s = scaling_of(as);
    for (int x = 0; x < w.results; ++x) store(out + x * lanes, largest_of<Size>(in, w, columns_of<Size>(w, x), s).value);
}
inline void max_pool(const float* in, const window_row& w, const reading& as, float* out) {
    if (is_plain_2x2(w)) return max_pool_as<2>(in, w, as, out);
    return max_pool_as<0>(in, w, as, out);
}

template <int Size>
inline void max_pool_gradient_as(const float* in, const window_row& w, const reading& as, const float* dy, float* to, bool add) {
    const scaling s = scaling_of(as);
    for (int x = 0; x < w.results; ++x) {
        const window_columns c = columns_of<Size>(w, x);
        const vec winner = largest_of<Size>(in, w, c, s).tap, g = load(dy + x * lanes);
        const int rows = Size > 0 ? Size : w.rows, columns = Size > 0 ? Size : c.count;
        const std::ptrdiff_t step = Size > 0 ? lanes : std::ptrdiff_t{w.dilation} * lanes;
        float* p = to + std::ptrdiff_t{c.first} * lanes;
        float tap = 0;
#pragma GCC unroll 2
        for (int i = 0; i < rows; ++i, p += w.row_step)
#pragma GCC unroll 2
            for (int j = 0; j < columns; ++j, ++tap) {
                vec v = select(equal(winner, all(tap)), g, zero());
                if (add) v = v + load(p + j * step);
                store(p + j * step, v);
            }
    }
}
inline void max_pool_gradient(const float* in, const window_row& w, const reading& as, const float* dy, float* to, bool add) {
    return is_plain_2x2(w) ? max_pool_gradient_as<2>(in, w, as, dy, to, add) : max_pool_gradient_as<0>(in, w, as, dy, to, add);
}

inline vec pixels_of_mean(const window_row& w, const window_columns& c) {
    return all(static_cast<float>(w.divisor > 0 ? w.divisor : w.rows * c.count));
}

template <int Size>
inline void avg_pool_as(const float* in, const window_row& w, const reading& as, float* out, bool add) {
    const scaling s = scaling_of(as);
    for (int x = 0; x < w.results; ++x) {
        const window_columns c = columns_of<Size>(w, x);
        const int rows = Size > 0 ? Size : w.rows, columns = Size > 0 ? Size : c.count;
        const float* p = in + std::ptrdiff_t{c.first} * lanes;
        vec total = zero();
#pragma GCC unroll 2
        for (int i = 0; i < rows; ++i, p += w.row_step)
#pragma GCC unroll 2
            for (int j = 0; j < columns; ++j) total = total + read(p + j * lanes, s);
        const vec mean = total / pixels_of_mean(w, c);
        store(out + x * lanes, add ? mean + load(out + x * lanes) : mean);
    }
}
inline void avg_pool(const float* in, const window_row& w, const reading& as, float* out, bool add) {
    if (is_plain_2x2(w)) return avg_pool_as<2>(in, w, as, out, add);
    return avg_pool_as<0>(in, w, as, out, add);
}

template <int Size>
inline void avg_pool_gradient_as(const window_row& w, const float* dy, const reading& as, float* to, bool add) {
    const scaling s = scaling_of(as);
    for (int x = 0; x < w.results; ++x) {
        const window_columns c = columns_of<Size>(w, x);
        const int rows = Size > 0 ? Size : w.rows, columns = Size > 0 ? Size : c.count;
        const vec share = read(dy + x * lanes, s) / pixels_of_mean(w, c);
        float* p = to + std::ptrdiff_t{c.first} * lanes;
        for (int i = 0; i < rows; ++i, p += w.row_step)
            for (int j = 0; j < columns; ++j) store(p + j * lanes, add ? share + load(p + j * lanes) : share);
    }
}
inline void avg_pool_gradient(const window_row& w, const float* dy, const reading& as, float* to, bool add) {
    if (is_plain_2x2(w)) return avg_pool_gradient_as<2>(w, dy, as, to, add);
    return avg_pool_gradient_as<0>(w, dy, as, to, add);
}

/// Four sums, so that additions need not wait for one another.
inline void sum(const float* in, int pixels, const reading& as, float* sums) {
    const scaling s = scaling_of(as);
    vec a = zero(), b = zero(), c = zero(), d = zero();
    int p = 0;
    for (; p + 4 <= pixels; p += 4) {
        a = a + read(in + p * lanes, s);
        b = b + read(in + (p + 1) * lanes, s);
        c = c + read(in + (p + 2) * lanes, s);
        d = d + read(in + (p + 3) * lanes, s);
    }
    for (; p < pixels; ++p) a = a + read(in + p * lanes, s);
    store(sums, load(sums) + ((a + b) + (c + d)));
}

inline void fill(const float* values, int pixels, float* out, bool accumulate) {
    const vec v = load(values);
    for (int p = 0; p < pixels; ++p) store(out + p * lanes, accumulate ? v + load(out + p * lanes) : v);
}

inline void move_lanes(const float* in, int from, const reading& as, float* out, int to, int count, int pixels, bool accumulate) {
    const scaling s = scaling_of(as);
    for (int p = 0; p < pixels; ++p, in += lanes, out += lanes) {
        float pixel[lanes];
        store(pixel, read(in, s));
        if (accumulate)
            for (int i = 0; i < count; ++i) out[to + i] += pixel[from + i];
        else
            for (int i = 0; i < count; ++i) out[to + i] = pixel[from + i];
    }
}

inline void blend_row(const float* upper, const float* lower, float lower_share, const blend* columns, int count, const reading& as, float* out) {
    const scaling s = scaling_of(as);
    const vec down = all(lower_share), up = all(1 - lower_share);
    for (int x = 0; x < count; ++x) {
        const std::ptrdiff_t left = std::ptrdiff_t{columns[x].left} * lanes, right = std::ptrdiff_t{columns[x].right} * lanes;
        const vec l = all(1 - columns[x].share), r = all(columns[x].share);
        const vec above = multiply_add(r, read(upper + right, s), l * read(upper + left, s));
        const vec below = multiply_add(r, read(lower + right, s), l * read(lower + left, s));
        store(out + x * lanes, multiply_add(down, below, up * above));
    }
}
inline void add_to(float* p, vec a) { store(p, load(p) + a); }
inline void blend_row_gradient(const float* dy, float lower_share, const blend* columns, int count, float* upper, float* lower) {
    for (int x = 0; x < count; ++x) {
        const std::ptrdiff_t left = std::ptrdiff_t{columns[x].left} * lanes, right = std::ptrdiff_t{columns[x].right} * lanes;
        const vec g = load(dy + x * lanes), l = all(1 - columns[x].share) * g, r = all(columns[x].share) * g;
        add_to(upper + left, all(1 - lower_share) * l);
        add_to(upper + right, all(1 - lower_share) * r);
        add_to(lower + left, all(lower_share) * l);
        add_to(lower + right, all(lower_share) * r);
    }
}

/// One result at the border, of the taps that reach the plane.
inline vec depthwise_border(const depthwise_row& r, int x, vec start, const scaling& s) {
    for (int t = 0; t < r.count; ++t)
        if (x >= r.taps[t].first && x < r.taps[t].last)
            start = multiply_add(load(r.weights + r.taps[t].number * lanes), read(r.plane + (r.taps[t].offset + x * r.in_step), s), start);
    return start;
}

/// Bias is in the sum already: scale, shift, ReLU, and what is there.
inline void depthwise_store(const depthwise_row& r, const scaling& then, int x, vec v) {
    float* const p = r.out + x * r.out_step;
    v = apply(then, v);
    store(p, r.accumulate ? v + load(p) : v);
}

inline void depthwise(const depthwise_row& r) {
    constexpr int tile = product_channels; // sums in flight, as many as the latency of the multiply-add asks for
    const vec start = r.bias != nullptr ? load(r.bias) : zero();
    const scaling s = scaling_of(r.as), then = scaling_of(r.then);
    int first = 0, last = r.results; // results that all taps reach
    for (int t = 0; t < r.count; ++t) {
        first = first > r.taps[t].first ? first : r.taps[t].first;
        last = last < r.taps[t].last ? last : r.taps[t].last;
    }
    for (int x = 0; x < r.results;) {
        if (x < first || x + tile > last) {
            depthwise_store(r, then, x, depthwise_border(r, x, start, s));
            ++x;
            continue;
        }
        vec sum[tile];
#pragma GCC unroll 8
        for (int i = 0; i < tile; ++i) sum[i] = start;
        for (int t = 0; t < r.count; ++t) {
            const vec weight = load(r.weights + r.taps[t].number * lanes);
            const float* const p = r.plane + (r.taps[t].offset + x * r.in_step);
#pragma GCC unroll 8
            for (int i = 0; i < tile; ++i) sum[i] = multiply_add(weight, read(p + i * r.in_step, s), sum[i]);
        }
#pragma GCC unroll 8
        for (int i = 0; i < tile; ++i) depthwise_store(r, then, x + i, sum[i]);
        x += tile;
    }
}

inline void depthwise_products(const depthwise_row& r, const float* narrow, const reading& as, float* sums) {
    const scaling wide_scaling = scaling_of(r.as), narrow_scaling = scaling_of(as);
    for (int t = 0; t < r.count; ++t) {
        const int first = r.taps[t].first, results = r.taps[t].last - first;
        const float* const a = narrow + first * lanes;
        const float* const b = r.plane + (r.taps[t].offset + first * r.in_step);
        vec sum[4] = {zero(), zero(), zero(), zero()};
        int x = 0;
        for (; x + 4 <= results; x += 4)
#pragma GCC unroll 4
            for (int i = 0; i < 4; ++i)
                sum[i] = multiply_add(read(a + (x + i) * lanes, narrow_scaling), read(b + (x + i) * r.in_step, wide_scaling), sum[i]);
        for (; x < results; ++x) sum[0] = multiply_add(read(a + x * lanes, narrow_scaling), read(b + x * r.in_step, wide_scaling), sum[0]);
        add_to(sums + r.taps[t].number * lanes, (sum[0] + sum[1]) + (sum[2] + sum[3]));
    }
}

/// e^x to 2 units in the last place for x in [-87.3, 88.3], beyond which it stays as at the ends. S. L. Moshier, Cephes, expf.
inline vec exponential(vec x) {
    x = select(greater(x, all(88.3762626f)), all(88.3762626f), x);
    x = select(greater(all(-87.3365447f), x), all(-87.3365447f), x);
    const vec n = nearest(x * all(1.44269504f));
    const vec r = multiply_add(n, all(2.12194440e-4f), multiply_add(n, all(-0.693359375f), x));
    vec p = multiply_add(all(1.9875691500e-4f), r, all(1.3981999507e-3f));
    p = multiply_add(p, r, all(8.3334519073e-3f));
    p = multiply_add(p, r, all(4.1665795894e-2f));
    p = multiply_add(p, r, all(1.6666665459e-1f));
    p = multiply_add(p, r, all(5.0000001201e-1f));
    return multiply_add(p, r * r, r + all(1)) * power_of_two(n);
}
inline vec logistic(vec x) { return all(1) / (exponential(zero() - x) + all(1)); }

/// Distribution function of the standard normal, erfc(-x / sqrt 2) / 2, with relative errors of a few 1e-7. Press et al., "Numerical
/// Recipes", 2nd edition, section 6.2, erfcc.
inline vec normal_distribution(vec x) {
    const vec a = select(greater(zero(), x), zero() - x, x), z = a * all(0.707106781f),
              t = all(1) / multiply_add(all(0.5f), z, all(1));
    vec p = multiply_add(all(0.17087277f), t, all(-0.82215223f));
    p = multiply_add(p, t, all(1.48851587f));
    p = multiply_add(p, t, all(-1.13520398f));
    p = multiply_add(p, t, all(0.27886807f));
    p = multiply_add(p, t, all(-0.18628806f));
    p = multiply_add(p, t, all(0.09678418f));
    p = multiply_add(p, t, all(0.37409196f));
    p = multiply_add(p, t, all(1.00002368f));
    p = multiply_add(p, t, all(-1.26551223f));
    const vec tail = all(0.5f) * t * exponential(multiply_add(a * a, all(-0.5f), p));
    return select(greater(x, zero()), all(1) - tail, tail);
}

// The elementwise functions: f(x), or of the gradients f(x, y) with y that of the result.
struct identity_of {
    static constexpr bool two = false;
    static vec apply(vec x, vec, vec) { return x; }
};
struct sum_of {
    static constexpr bool two = true;
    static vec apply(vec x, vec y, vec) { return x + y; }
};
struct relu_of {
    static constexpr bool two = false;
    static vec apply(vec x, vec, vec) { return positive(x); }
};
struct relu_gradient_of {
    static constexpr bool two = true;
    static vec apply(vec x, vec y, vec) { return where_positive(x, y); }
};
struct leaky_relu_of {
    static constexpr bool two = false;
    static vec apply(vec x, vec, vec slope) { return select(greater(x, zero()), x, slope * x); }
};
struct leaky_relu_gradient_of {
    static constexpr bool two = true;
    static vec apply(vec x, vec y, vec slope) { return select(greater(x, zero()), y, slope * y); }
};
struct gelu_of {
    static constexpr bool two = false;
    static vec apply(vec x, vec, vec) { return x * normal_distribution(x); }
};
struct gelu_gradient_of {
    static constexpr bool two = true;
    static vec apply(vec x, vec y, vec) {
        const vec density = all(0.398942280f) * exponential(all(-0.5f) * (x * x));
        return y * multiply_add(x, density, normal_distribution(x));
    }
};
struct silu_of {
    static constexpr bool two = false;
    static vec apply(vec x, vec, vec) { return x * logistic(x); }
};
struct silu_gradient_of {
    static constexpr bool two = true;
    static vec apply(vec x, vec y, vec) {
        const vec e = exponential(zero() - x), s = all(1) / (e + all(1));
        return y * s * multiply_add(x, e * s, all(1)); // e s is 1 - s without its cancellation
    }
};
struct sigmoid_of {
    static constexpr bool two = false;
    static vec apply(vec x, vec, vec) { return logistic(x); }
};
struct sigmoid_gradient_of {
    static constexpr bool two = true;
    static vec apply(vec x, vec y, vec) { return y * x * (all(1) - x); }
};
struct drop_of {
    static constexpr bool two = true;
    static vec apply(vec x, vec y, vec keep) { return where_positive(y, keep * x); }
};

template <class F>
inline void map(const map_row& m) {
    const scaling sx = scaling_of(m.as_x), sy = scaling_of(m.as_y);
    const vec value = all(m.value), used = m.lanes_used != nullptr ? load(m.lanes_used) : all(1);
    const bool masked = m.lanes_used != nullptr;
    float x[lanes] = {}, y[lanes] = {}, out[lanes] = {}; // of the last elements, where they are not sixteen
    for (std::ptrdiff_t i = 0; i < m.size; i += lanes) {
        const bool whole = i + lanes <= m.size;
        const std::size_t bytes = whole ? 0 : static_cast<std::size_t>(m.size - i) * sizeof(float);
        const float *px = m.x + i, *py = F::two ? m.y + i : nullptr;
        float* to = m.out + i;
        if (!whole) {
            __builtin_memcpy(x, px, bytes);
            if constexpr (F::two) __builtin_memcpy(y, py, bytes);
            if (m.accumulate) __builtin_memcpy(out, to, bytes);
            px = x;
            py = y;
            to = out;
        }
        const vec first = read(px, sx);
        vec second = zero();
        if constexpr (F::two) second = read(py, sy);
        vec v = F::apply(first, second, value);
        if (masked) v = where_positive(used, v);
        if (m.accumulate) v = v + load(to);
        store(to, v);
        if (!whole) __builtin_memcpy(m.out + i, out, bytes);
    }
}

#include <umsrep/backend/cpu/kernel/few_channels.inl>

inline constexpr row_table row_kernels{&max_pool,
                                       &max_pool_gradient,
                                       &sum,
                                       &fill,
                                       &move_lanes,
                                       &from_planes,
                                       &plane_products,
                                       &to_planes,
                                       &map<identity_of>,
                                       &map<sum_of>,
                                       &map<relu_of>,
                                       &map<relu_gradient_of>,
                                       &map<sigmoid_of>,
                                       &map<sigmoid_gradient_of>};

/// Compiled where they are asked for.
struct families {
    static constexpr average_table averages{&avg_pool, &avg_pool_gradient};
    static constexpr blend_table blends{&blend_row, &blend_row_gradient};
    static constexpr dropout_table dropouts{&map<drop_of>};
    static constexpr depthwise_table depthwises{&depthwise, &depthwise_products};
    static constexpr activation_table activations{&map<leaky_relu_of>,          &map<leaky_relu_gradient_of>, &map<gelu_of>,
                                                  &map<gelu_gradient_of>, &map<silu_of>,                &map<silu_gradient_of>};
};
