// SPDX-License-Identifier: MIT
// Winograd's transforms, written once over `vec` for tiles of 6 x 6 (`Pairs` = 2) and 8 x 8 (3); see winograd_points.hpp for the numbers and table.hpp for
// what each kernel computes. A `..._line` transforms one line, reading elements `s` apart and writing them `t` apart.
// Loops over lines are not unrolled: a tile does not fit into the registers, and the instructions of sixteen lines do not fit into what a processor keeps
// decoded. Transforms of inputs took twice as long on a Zen 4, and longest of all to compile. Those of weights, three
// taps long, do fit: in loops the deepest layers took a quarter longer.

/// y + c x. Where c is 1 or -1 that is a sum, which some processors have units for beside those that multiply.
inline vec add_times(float c, vec x, vec y) { return c == 1 ? y + x : c == -1 ? y - x : multiply_add(all(c), x, y); }

/// A line of inputs to the values whose products interpolate to a correlation: rows of B^T.
template <int Pairs>
inline void input_line(const vec* x, int s, vec* y, int t) {
    constexpr const winograd_points<Pairs>& points = points_of<Pairs>;
    vec first = x[2 * Pairs * s], last = x[(2 * Pairs + 1) * s];
#pragma GCC unroll 4
    for (int k = 0; k < Pairs; ++k) {
        first = add_times(points.whole[k], x[2 * k * s], first);
        last = add_times(points.whole[k], x[(2 * k + 1) * s], last);
    }
    y[0] = first;
    y[(2 * Pairs + 1) * t] = last;
#pragma GCC unroll 4
    for (int i = 0; i < Pairs; ++i) {
        vec even = x[2 * Pairs * s], odd = x[(2 * Pairs - 1) * s];
#pragma GCC unroll 4
        for (int k = 0; k < Pairs - 1; ++k) {
            even = add_times(points.without[i][k], x[(2 * k + 2) * s], even);
            odd = add_times(points.without[i][k], x[(2 * k + 1) * s], odd);
        }
        y[(2 * i + 1) * t] = add_times(points.point[i], odd, even);
        y[(2 * i + 2) * t] = add_times(-points.point[i], odd, even);
    }
}

/// A line of `Taps` weights, or of output gradients, to its values at the points: rows of G.
template <int Pairs, int Taps>
inline void factor_line(const vec* x, int s, vec* y, int t) {
    constexpr const winograd_points<Pairs>& points = points_of<Pairs>;
    y[0] = all(points.first_factor) * x[0];
    y[(2 * Pairs + 1) * t] = x[(Taps - 1) * s];
#pragma GCC unroll 4
    for (int i = 0; i < Pairs; ++i) {
        vec even = all(points.factor[i][0]) * x[0], odd = all(points.factor[i][1]) * x[s];
#pragma GCC unroll 4
        for (int k = 2; k < Taps; ++k) {
            const vec c = all(points.factor[i][k]);
            if (k % 2 == 0) even = multiply_add(c, x[k * s], even);
            else odd = multiply_add(c, x[k * s], odd);
        }
        y[(2 * i + 1) * t] = even + odd;
        y[(2 * i + 2) * t] = even - odd;
    }
}

/// A line of products to `Results` results: rows of A^T.
template <int Pairs, int Results>
inline void result_line(const vec* x, int s, vec* y, int t) {
    constexpr const winograd_points<Pairs>& points = points_of<Pairs>;
    vec sum[Pairs], difference[Pairs];
#pragma GCC unroll 4
    for (int i = 0; i < Pairs; ++i) {
        sum[i] = x[(2 * i + 1) * s] + x[(2 * i + 2) * s];
        difference[i] = x[(2 * i + 1) * s] - x[(2 * i + 2) * s];
    }
    vec first = x[0];
#pragma GCC unroll 4
    for (int i = 0; i < Pairs; ++i) first = first + sum[i];
    y[0] = first;
#pragma GCC unroll 8
    for (int k = 1; k < Results; ++k) {
        const vec* const of = k % 2 == 0 ? sum : difference;
        vec r = k == Results - 1 ? add_times(points.power[0][k], of[0], x[(2 * Pairs + 1) * s]) : all(points.power[0][k]) * of[0];
#pragma GCC unroll 4
        for (int i = 1; i < Pairs; ++i) r = add_times(points.power[i][k], of[i], r);
        y[k * t] = r;
    }
}

/// Loads and stores of a transformed tile fetch the line behind, which is that of the next tile: a processor follows no pattern of so many positions, and
/// would wait for each line.
inline vec load_position(const float* p) {
    __builtin_prefetch(p + lanes);
    return load(p);
}
inline void store_position(float* p, vec a) {
    __builtin_prefetch(p + lanes, 1);
    store(p, a);
}

template <int Pairs, bool Scaled>
inline void input_tile(const float* p, std::ptrdiff_t row, const scaling& s, float* out, std::ptrdiff_t position) {
    constexpr int size = winograd_points<Pairs>::size;
    vec y[size * size];
#pragma GCC unroll 1
    for (int i = 0; i < size; ++i) {
        vec x[size];
#pragma GCC unroll 8
        for (int j = 0; j < size; ++j) x[j] = Scaled ? read(p + i * row + j * lanes, s) : load(p + i * row + j * lanes);
        input_line<Pairs>(x, 1, y + size * i, 1);
    }
#pragma GCC unroll 1
    for (int j = 0; j < size; ++j) {
        vec z[size];
        input_line<Pairs>(y + j, size, z, 1);
#pragma GCC unroll 8
        for (int i = 0; i < size; ++i) store_position(out + (size * i + j) * position, z[i]);
    }
}

/// A tile that leaves the plane, with zeros there. (Behind scale and shift: padding is of the value, not of what it is computed from.)
inline void copy_tile(const float* plane, const tile_row& r, int size, int x0, const scaling& s, float* copy) {
    for (int i = 0; i < size; ++i)
        for (int j = 0; j < size; ++j) {
            const int y = r.y + i, x = x0 + j;
            const bool inside = y >= 0 && y < r.h && x >= 0 && x < r.w;
            store(copy + (i * size + j) * lanes, inside ? read(plane + (static_cast<std::ptrdiff_t>(y) * r.w + x) * lanes, s) : zero());
        }
}

template <int Pairs>
inline void input_row(const float* plane, const tile_row& r, const reading& as, float* out) {
    constexpr int size = winograd_points<Pairs>::size;
    const scaling s = scaling_of(as);
    const bool scaled = as.scale != nullptr || as.relu;
    const bool rows_inside = r.y >= 0 && r.y + size <= r.h;
    for (int t = 0; t < r.count; ++t, out += lanes) {
        const int x = r.x + (size - 2) * t;
        const bool inside = rows_inside && x >= 0 && x + size <= r.w;
        const float* p = plane + (static_cast<std::ptrdiff_t>(r.y) * r.w + x) * lanes;
        std::ptrdiff_t row = static_cast<std::ptrdiff_t>(r.w) * lanes;
        alignas(64) float copy[size * size * lanes];
        if (!inside) {
            copy_tile(plane, r, size, x, s, copy);
            p = copy;
            row = size * lanes;
        }
        if (inside && scaled) input_tile<Pairs, true>(p, row, s, out, r.position);
        else input_tile<Pairs, false>(p, row, s, out, r.position);
    }
}

inline void winograd_input(const float* plane, const tile_row& r, const reading& as, float* out) {
    return r.size == 6 ? input_row<2>(plane, r, as, out) : input_row<3>(plane, r, as, out);
}

template <int Pairs, bool Norm>
inline void gradient_row(float* plane, const tile_row& r, const norm_reading* norm, float* out) {
    constexpr int size = winograd_points<Pairs>::size, taps = size - 2;
    norm_backward n{};
    if constexpr (Norm) n = norm_backward_of(*norm);
    const bool rows_inside = r.y + taps <= r.h;
    for (int t = 0; t < r.count; ++t, out += lanes) {
        const int x0 = r.x + taps * t;
        alignas(64) float copy[taps * taps * lanes];
        const std::ptrdiff_t at = (static_cast<std::ptrdiff_t>(r.y) * r.w + x0) * lanes;
        const float* p = plane + at;
        std::ptrdiff_t row = static_cast<std::ptrdiff_t>(r.w) * lanes;
        const bool inside = rows_inside && x0 + taps <= r.w;
        if (!inside) {
            if constexpr (Norm) {
                for (int y = r.y; y < r.h && y < r.y + taps; ++y)
                    for (int x = x0; x < r.w && x < x0 + taps; ++x) {
                        const std::ptrdiff_t i = (static_cast<std::ptrdiff_t>(y) * r.w + x) * lanes;
                        store(plane + i, apply(n, load(norm->z + i), load(plane + i)));
                    }
            }
            copy_tile(plane, r, taps, x0, scaling_of({}), copy);
            p = copy;
            row = taps * lanes;
        }
        vec y[taps * size];
#pragma GCC unroll 1
        for (int i = 0; i < taps; ++i) {
            vec x[taps];
#pragma GCC unroll 8
            for (int j = 0; j < taps; ++j) {
                x[j] = load(p + i * row + j * lanes);
                if constexpr (Norm) {
                    if (inside) {
                        x[j] = apply(n, load(norm->z + at + i * row + j * lanes), x[j]);
                        store(plane + at + i * row + j * lanes, x[j]);
                    }
                }
            }
            factor_line<Pairs, taps>(x, 1, y + size * i, 1);
        }
#pragma GCC unroll 1
        for (int j = 0; j < size; ++j) {
            vec z[size];
            factor_line<Pairs, taps>(y + j, size, z, 1);
#pragma GCC unroll 8
            for (int i = 0; i < size; ++i) store_position(out + (size * i + j) * r.position, z[i]);
        }
    }
}

template <int Pairs>
inline void gradient_row_of(float* plane, const tile_row& r, const norm_reading* norm, float* out) {
    return norm != nullptr ? gradient_row<Pairs, true>(plane, r, norm, out) : gradient_row<Pairs, false>(plane, r, norm, out);
}

inline void winograd_gradient(float* plane, const tile_row& r, const norm_reading* norm, float* out) {
    return r.size == 6 ? gradient_row_of<2>(plane, r, norm, out) : gradient_row_of<3>(plane, r, norm, out);
}

/// A value in the middle of a tile of results: about what the others are.
template <int Pairs>
inline vec inner_result(const float* in, std::ptrdiff_t position, int i) {
    constexpr int size = winograd_points<Pairs>::size, results = size - 2;
    vec line[size];
#pragma GCC unroll 1
    for (int j = 0; j < size; ++j) {
        vec x[size], y[results];
#pragma GCC unroll 8
        for (int k = 0; k < size; ++k) x[k] = load(in + (size * k + j) * position);
        result_line<Pairs, results>(x, 1, y, 1);
        line[j] = i == 0 ? y[0] : y[1];
    }
    vec z[results];
    result_line<Pairs, results>(line, 1, z, 1);
    return z[i];
}

template <int Pairs>
inline void output_row(const float* in, const tile_row& r, const output_reading& o, float* plane) {
    constexpr int size = winograd_points<Pairs>::size, results = size - 2;
    const vec bias = o.bias != nullptr ? load(o.bias) : zero();
    const bool accumulate = o.accumulate, streams = o.stream && !accumulate;
    const scaling then = scaling_of(o.then);
    moments* const m = o.statistics;
    vec origin = m != nullptr && m->count > 0 ? load(m->origin) : zero(), sum = zero(), square = zero();
    const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(r.w) * lanes;
    const int height = r.h - r.y < results ? r.h - r.y : results;
    for (int t = 0; t < r.count; ++t, in += lanes) {
        vec y[size * results];
#pragma GCC unroll 1
        for (int j = 0; j < size; ++j) {
            vec x[size];
#pragma GCC unroll 8
            for (int i = 0; i < size; ++i) x[i] = load_position(in + (size * i + j) * r.position);
            result_line<Pairs, results>(x, 1, y + j, size);
        }
        const int x0 = r.x + results * t, width = r.w - x0 < results ? r.w - x0 : results;
        float* p = plane + (static_cast<std::ptrdiff_t>(r.y) * r.w + x0) * lanes;
        if (m != nullptr && m->count == 0 && t == 0) { // about a pixel that is not at the edge, where there is one
            vec z[results];
            result_line<Pairs, results>(height > 1 ? y + size : y, 1, z, 1);
            origin = (width > 1 ? z[1] : z[0]) + bias;
        }
        vec tile_sum = zero(), tile_square = zero();
#pragma GCC unroll 1
        for (int i = 0; i < results; ++i) {
            if (i >= height) break;
            vec z[results];
            result_line<Pairs, results>(y + size * i, 1, z, 1);
#pragma GCC unroll 1
            for (int j = 0; j < results; ++j) {
                if (j >= width) break;
                vec v = apply(then, z[j] + bias);
                if (m != nullptr) {
                    const vec d = v - origin;
                    tile_sum = tile_sum + d;
                    tile_square = multiply_add(d, d, tile_square);
                }
                if (accumulate) v = v + load(p + i * row + j * lanes);
                if (streams) stream(p + i * row + j * lanes, v);
                else store(p + i * row + j * lanes, v);
            }
        }
        sum = sum + tile_sum;
        square = square + tile_square;
    }
    if (streams) finish_streams();
    if (m == nullptr) return;
    add_moments(*m, origin, sum, square);
    const int columns = r.w - r.x < results * r.count ? r.w - r.x : results * r.count;
    m->count += height * columns;
}

inline void winograd_output(const float* in, const tile_row& r, const output_reading& o, float* plane) {
    return r.size == 6 ? output_row<2>(in, r, o, plane) : output_row<3>(in, r, o, plane);
}

template <int Pairs>
inline void weight_tile(const float* w, std::ptrdiff_t step, float* out, std::ptrdiff_t position) {
    constexpr int size = winograd_points<Pairs>::size;
    vec x[9], y[3 * size];
#pragma GCC unroll 9
    for (int i = 0; i < 9; ++i) x[i] = load(w + i * step);
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) factor_line<Pairs, 3>(x + j, 3, y + j, 3);
#pragma GCC unroll 8
    for (int i = 0; i < size; ++i) {
        vec z[size];
        factor_line<Pairs, 3>(y + 3 * i, 1, z, 1);
#pragma GCC unroll 8
        for (int j = 0; j < size; ++j) store(out + (size * i + j) * position, z[j]);
    }
}

inline void winograd_weight(int size, const float* w, std::ptrdiff_t step, float* out, std::ptrdiff_t position) {
    return size == 6 ? weight_tile<2>(w, step, out, position) : weight_tile<3>(w, step, out, position);
}

template <int Pairs>
inline void weight_gradient_tile(const float* u, std::ptrdiff_t position, int parts, std::ptrdiff_t part, float* dw) {
    constexpr int size = winograd_points<Pairs>::size;
    vec y[3 * size];
#pragma GCC unroll 1
    for (int j = 0; j < size; ++j) {
        vec x[size];
#pragma GCC unroll 1
        for (int i = 0; i < size; ++i) {
            const float* p = u + (size * i + j) * position;
            vec s = load(p);
            for (int k = 1; k < parts; ++k) s = s + load(p + k * part);
            x[i] = s;
        }
        result_line<Pairs, 3>(x, 1, y + j, size);
    }
#pragma GCC unroll 1
    for (int i = 0; i < 3; ++i) {
        vec z[3];
        result_line<Pairs, 3>(y + size * i, 1, z, 1);
#pragma GCC unroll 3
        for (int j = 0; j < 3; ++j) store(dw + (3 * i + j) * lanes, z[j]);
    }
}

inline void winograd_weight_gradient(int size, const float* u, std::ptrdiff_t position, int parts, std::ptrdiff_t part, float* dw) {
    return size == 6 ? weight_gradient_tile<2>(u, position, parts, part, dw) : weight_gradient_tile<3>(u, position, parts, part, dw);
}
