// SPDX-License-Identifier: MIT
// Winograd's transforms, written once over `part`, one register, for tiles of 6 x 6 (`Pairs` = 2) and 8 x 8 (3); see winograd_points.hpp for the numbers and
// table.hpp for what each kernel computes. A `..._line` transforms one line; a tile's columns first, then its rows.
// A tile does not fit into the registers: so rows go two or three at a time, those that read the same elements, and columns are read again for the next.

/// y + c x. Where c is 1 or -1 that is a sum, which some processors have units for beside those that multiply.
inline part add_times(float c, part x, part y) { return c == 1 ? y + x : c == -1 ? y - x : multiply_add(all_of_part(c), x, y); }
inline part times(float c, part x) { return c == 1 ? x : all_of_part(c) * x; }

/// Of a line of inputs the values at 0 and at infinity, rows of B^T: what the line's even and odd elements come to.
template <int Pairs>
inline void input_ends(const part* x, part* y) {
    constexpr const winograd_points<Pairs>& points = points_of<Pairs>;
    constexpr int last = 2 * Pairs;
    if constexpr (Pairs == 3) // a condition of its own: compilers look at whole[2] of both sizes else
        if constexpr (points.whole[0] == -1 && points.whole[1] == -points.whole[2]) { // whole[2] (x4 - x2) + (x6 - x0)
            y[0] = multiply_add(all_of_part(points.whole[2]), x[last - 2] - x[2], x[last] - x[0]);
            y[1] = multiply_add(all_of_part(points.whole[2]), x[last - 1] - x[3], x[last + 1] - x[1]);
            return;
        }
    y[0] = x[last];
    y[1] = x[last + 1];
#pragma GCC unroll 4
    for (int k = 0; k < Pairs; ++k) {
        y[0] = add_times(points.whole[k], x[2 * k], y[0]);
        y[1] = add_times(points.whole[k], x[2 * k + 1], y[1]);
    }
}

/// Its values at the points +-p_i.
template <int Pairs>
inline void input_pair(int i, const part* x, part* y) {
    constexpr const winograd_points<Pairs>& points = points_of<Pairs>;
    part even = x[2 * Pairs], odd = times(points.point[i], x[2 * Pairs - 1]);
#pragma GCC unroll 4
    for (int k = 0; k < Pairs - 1; ++k) {
        even = add_times(points.without[i][k], x[2 * k + 2], even);
        odd = add_times(points.point[i] * points.without[i][k], x[2 * k + 1], odd);
    }
    y[0] = even + odd;
    y[1] = even - odd;
}

/// Of a line of `Taps` weights, or of output gradients, the values at 0 and at infinity, rows of G.
template <int Pairs, int Taps>
inline void factor_ends(const part* x, part* y) {
    y[0] = all_of_part(points_of<Pairs>.first_factor) * x[0];
    y[1] = x[Taps - 1];
}

/// Its values at the points +-p_i.
template <int Pairs, int Taps>
inline void factor_pair(int i, const part* x, part* y) {
    constexpr const winograd_points<Pairs>& points = points_of<Pairs>;
    part even = all_of_part(points.factor[i][0]) * x[0], odd = all_of_part(points.factor[i][1]) * x[1];
#pragma GCC unroll 8
    for (int k = 2; k < Taps; ++k) {
        const part c = all_of_part(points.factor[i][k]);
        if (k % 2 == 0) even = multiply_add(c, x[k], even);
        else odd = multiply_add(c, x[k], odd);
    }
    y[0] = even + odd;
    y[1] = even - odd;
}

/// Of a line of products the results 0, 2, 4, ... (`Odd` = 0) or 1, 3, ..., rows of A^T: the former come of the sums of the products at +-p_i, the latter
/// of their differences.
template <int Pairs, int Results, int Odd>
inline void results_of_parity(const part* x, part* y) {
    constexpr const winograd_points<Pairs>& points = points_of<Pairs>;
    part of[Pairs];
#pragma GCC unroll 4
    for (int i = 0; i < Pairs; ++i) of[i] = Odd == 0 ? x[2 * i + 1] + x[2 * i + 2] : x[2 * i + 1] - x[2 * i + 2];
#pragma GCC unroll 4
    for (int k = Odd; k < Results; k += 2) {
        const bool first = k == 0, last = k == Results - 1;
        part r = times(points.power[0][k], of[0]);
        if (first) r = r + x[0];
        if (last) r = add_times(points.power[0][k], of[0], x[2 * Pairs + 1]);
#pragma GCC unroll 4
        for (int i = 1; i < Pairs; ++i) r = add_times(points.power[i][k], of[i], r);
        y[k / 2] = r;
    }
}

/// All of them.
template <int Pairs, int Results>
inline void result_line(const part* x, part* y) {
    part even[(Results + 1) / 2], odd[Results / 2];
    results_of_parity<Pairs, Results, 0>(x, even);
    results_of_parity<Pairs, Results, 1>(x, odd);
#pragma GCC unroll 8
    for (int k = 0; k < Results; ++k) y[k] = k % 2 == 0 ? even[k / 2] : odd[k / 2];
}

/// The same address, of which a compiler knows nothing: else it computes those of a whole tile beforehand, and keeps them where the values should be.
template <class T>
inline T* hide(T* p) {
    asm("" : "+r"(p));
    return p;
}

/// Loads and stores of a transformed tile fetch the line behind, which is that of the next tile: a processor follows no pattern of so many positions, and
/// would wait for each line.
inline part load_position(const float* p) {
    __builtin_prefetch(p + lanes);
    return load_part(p);
}
inline void store_position(float* p, part a) {
    __builtin_prefetch(p + lanes, 1);
    store(p, a);
}

/// What becomes of a line: of inputs, rows of B^T, or of `Taps` weights or output gradients, rows of G.
template <int Pairs>
struct input_lines {
    static constexpr int length = winograd_points<Pairs>::size;
    static void ends(const part* x, part* y) { input_ends<Pairs>(x, y); }
    static void pair(int i, const part* x, part* y) { input_pair<Pairs>(i, x, y); }
};
template <int Pairs, int Taps>
struct factor_lines {
    static constexpr int length = Taps;
    static void ends(const part* x, part* y) { factor_ends<Pairs, Taps>(x, y); }
    static void pair(int i, const part* x, part* y) { factor_pair<Pairs, Taps>(i, x, y); }
};

/// All values of a line.
template <int Pairs, class Lines>
inline void transform_line(const part* x, part* y) {
    part ends[2];
    Lines::ends(x, ends);
    y[0] = ends[0];
    y[2 * Pairs + 1] = ends[1];
#pragma GCC unroll 4
    for (int i = 0; i < Pairs; ++i) Lines::pair(i, x, y + 2 * i + 1);
}

/// A row of a transformed tile, from what columns came to.
template <int Pairs, class Lines>
inline void store_row(const part* x, float* out, std::ptrdiff_t position) {
    constexpr int size = winograd_points<Pairs>::size;
    part y[size];
    transform_line<Pairs, Lines>(x, y);
#pragma GCC unroll 8
    for (int j = 0; j < size; ++j) store_position(out + j * position, y[j]);
}

/// The lanes of one register of a tile. Two rows at a time, those that read the same elements of columns, for these stay in registers: what lies between the
/// passes would be half of all stores.
template <int Pairs, class Lines>
inline void transform_tile(const float* p, std::ptrdiff_t row, float* out, std::ptrdiff_t position) {
    constexpr int size = winograd_points<Pairs>::size, length = Lines::length;
#pragma GCC unroll 4
    for (int i = -1; i < Pairs; ++i) {
        const float* line[length];
#pragma GCC unroll 8
        for (int k = 0; k < length; ++k) line[k] = hide(k == 0 ? p : line[k - 1] + row);
        part y[2][length];
#pragma GCC unroll 8
        for (int j = 0; j < length; ++j) {
            part x[length], two[2];
#pragma GCC unroll 8
            for (int k = 0; k < length; ++k) x[k] = load_part(line[k] + j * lanes);
            if (i < 0) Lines::ends(x, two);
            else Lines::pair(i, x, two);
            y[0][j] = two[0];
            y[1][j] = two[1];
        }
        const std::ptrdiff_t next = size * position;
        store_row<Pairs, Lines>(y[0], hide(i < 0 ? out : out + (2 * i + 1) * next), position);
        store_row<Pairs, Lines>(y[1], hide(i < 0 ? out + (size - 1) * next : out + (2 * i + 2) * next), position);
    }
}

/// Rows [y, y + rows) and columns [x, x + columns) of a plane as they are read, with zeros outside it. (Behind scale and shift: padding is of the value,
/// not of what it is computed from.)
inline void copy_window(const float* plane, const tile_row& r, int x, int rows, int columns, const scaling& s, float* copy) {
    const int begin = x >= 0 ? 0 : -x < columns ? -x : columns, end = r.w - x < columns ? r.w - x : columns;
    for (int i = 0; i < rows; ++i, copy += columns * lanes) {
        const int y = r.y + i;
        const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(y) * r.w + x;
        int j = 0;
        for (; j < begin; ++j) store(copy + j * lanes, zero());
        if (y >= 0 && y < r.h) {
#pragma GCC unroll 4
            for (; j < end; ++j) store(copy + j * lanes, read(plane + (row + j) * lanes, s));
        }
        for (; j < columns; ++j) store(copy + j * lanes, zero());
    }
}

/// Values that are read as they are come from the plane, except at its edge; others are computed for a few tiles at a time, which overlap.
template <int Pairs>
inline void input_row(const float* plane, const tile_row& r, const reading& as, float* out) {
    constexpr int size = winograd_points<Pairs>::size, step = size - 2, most = 4;
    const scaling s = scaling_of(as);
    const bool scaled = as.scale != nullptr || as.relu;
    const bool rows_inside = r.y >= 0 && r.y + size <= r.h;
    alignas(64) float copy[size * (most * step + 2) * lanes];
    for (int t = 0; t < r.count;) {
        const int x = r.x + step * t;
        int tiles = 1;
        const float* p = copy;
        std::ptrdiff_t row = 0;
        if (scaled || !rows_inside || x < 0 || x + size > r.w) {
            if (scaled) tiles = r.count - t < most ? r.count - t : most;
            const int columns = tiles * step + 2;
            copy_window(plane, r, x, size, columns, s, copy);
            row = columns * lanes;
        } else {
            p = plane + (static_cast<std::ptrdiff_t>(r.y) * r.w + x) * lanes;
            row = static_cast<std::ptrdiff_t>(r.w) * lanes;
        }
        for (t += tiles; tiles > 0; --tiles, p += step * lanes, out += lanes)
            for (int i = 0; i < lanes; i += part_lanes) transform_tile<Pairs, input_lines<Pairs>>(p + i, row, out + i, r.position);
    }
}

inline void winograd_input(const float* plane, const tile_row& r, const reading& as, float* out) {
    return r.size == 6 ? input_row<2>(plane, r, as, out) : input_row<3>(plane, r, as, out);
}

/// `height` x `width` pixels of a gradient become what a batch-norm's backward makes of them; `at`: elements from the plane's beginning.
template <int Taps>
inline void norm_gradient_tile(const norm_backward& n, const norm_reading& norm, float* plane, std::ptrdiff_t at, std::ptrdiff_t row, int height, int width) {
    for (int i = 0; i < height; ++i, at += row) {
        const float* const z = norm.z + at;
        float* const g = plane + at;
        if (width == Taps) {
#pragma GCC unroll 8
            for (int j = 0; j < Taps * lanes; j += lanes) store(g + j, apply(n, load(z + j), load(g + j)));
        } else {
            for (int j = 0; j < width * lanes; j += lanes) store(g + j, apply(n, load(z + j), load(g + j)));
        }
    }
}

template <int Pairs>
inline void gradient_row(float* plane, const tile_row& r, const norm_reading* norm, float* out) {
    constexpr int taps = winograd_points<Pairs>::size - 2;
    norm_backward n{};
    if (norm != nullptr) n = norm_backward_of(*norm);
    const int height = r.h - r.y < taps ? r.h - r.y : taps;
    const std::ptrdiff_t plane_row = static_cast<std::ptrdiff_t>(r.w) * lanes;
    alignas(64) float copy[taps * taps * lanes];
    for (int t = 0; t < r.count; ++t, out += lanes) {
        const int x = r.x + taps * t, width = r.w - x < taps ? r.w - x : taps;
        const std::ptrdiff_t at = (static_cast<std::ptrdiff_t>(r.y) * r.w + x) * lanes;
        if (norm != nullptr) norm_gradient_tile<taps>(n, *norm, plane, at, plane_row, height, width);
        const bool inside = height == taps && width == taps;
        if (!inside) copy_window(plane, r, x, taps, taps, scaling_of({}), copy);
        for (int i = 0; i < lanes; i += part_lanes)
            transform_tile<Pairs, factor_lines<Pairs, taps>>((inside ? plane + at : copy) + i, inside ? plane_row : taps * lanes, out + i, r.position);
    }
}

inline void winograd_gradient(float* plane, const tile_row& r, const norm_reading* norm, float* out) {
    return r.size == 6 ? gradient_row<2>(plane, r, norm, out) : gradient_row<3>(plane, r, norm, out);
}

/// The lanes of one register: where the results of a tile go, and what is done to them.
struct output_tile {
    part scale, shift, floor; ///< results are max(floor, x scale + shift)
    bool accumulate, streams, pool_streams, counts;
    std::ptrdiff_t row;       ///< elements between rows of the plane
    int height, width;        ///< of the tile that lie in the plane
    float* pooled;            ///< the tile's first pair of rows and columns; null: the largest are not wanted
    std::ptrdiff_t pooled_row;
    part pairs[9];            ///< the larger of two neighbours, of rows 0, 2, ...
    part origin, sum, square; ///< of statistics

    part apply(part x) const { return at_least(floor, multiply_add(x, scale, shift)); }
};

/// `Count` results side by side.
template <int Count>
inline void put_results(output_tile& o, part* v, float* p) {
    if (o.counts) {
#pragma GCC unroll 8
        for (int j = 0; j < Count; ++j) {
            const part d = v[j] - o.origin;
            o.sum = o.sum + d;
            o.square = multiply_add(d, d, o.square);
        }
    }
    if (o.accumulate) {
#pragma GCC unroll 8
        for (int j = 0; j < Count; ++j) v[j] = v[j] + load_part(p + j * lanes);
    }
    if (streams_parts && o.streams) {
#pragma GCC unroll 8
        for (int j = 0; j < Count; ++j) stream(p + j * lanes, v[j]);
    } else {
#pragma GCC unroll 8
        for (int j = 0; j < Count; ++j) store(p + j * lanes, v[j]);
    }
}

/// The largest of 2 x 2 results, from row `i` of a tile, of which rows 0, 2, ... come first. Where they are stored, the next tile's lines are fetched.
template <int Count>
inline void pool_results(output_tile& o, int i, const part (&results)[Count]) {
    constexpr int pairs = Count / 2;
    float* p = o.pooled + i / 2 * o.pooled_row;
    const bool fetches = !o.pool_streams && o.width == Count;
#pragma GCC unroll 4
    for (int j = 0; j < pairs; ++j, p += lanes) {
        if (2 * j + 1 >= o.width) break;
        part& upper = o.pairs[i / 2 * pairs + j];
        const part pair = larger(results[2 * j], results[2 * j + 1]);
        if (i % 2 == 0) {
            upper = pair;
            if (fetches) __builtin_prefetch(p + pairs * lanes, 1);
        } else if (streams_parts && o.pool_streams) {
            stream(p, larger(upper, pair));
        } else {
            store(p, larger(upper, pair));
        }
    }
}

/// The first `o.width` of `Count`. Of a copy: `results` themselves, read by a variable index, would lie in memory for whole tiles too.
template <int Count>
inline void put_some(output_tile& o, const part (&results)[Count], float* p) {
    part v[Count];
#pragma GCC unroll 8
    for (int j = 0; j < Count; ++j) v[j] = results[j];
#pragma GCC unroll 1
    for (int j = 0; j < o.width; ++j) put_results<1>(o, v + j, p + j * lanes);
}

/// A result of a tile that does not lie at its edge, where it has one.
template <int Pairs>
inline part inner_result(const float* in, std::ptrdiff_t position, const output_tile& o) {
    constexpr int size = winograd_points<Pairs>::size, results = size - 2;
    part line[size], z[results];
#pragma GCC unroll 1
    for (int j = 0; j < size; ++j) {
        part x[size];
#pragma GCC unroll 8
        for (int k = 0; k < size; ++k) x[k] = load_part(in + (size * k + j) * position);
        result_line<Pairs, results>(x, z);
        line[j] = o.height > 1 ? z[1] : z[0];
    }
    result_line<Pairs, results>(line, z);
    return o.apply(o.width > 1 ? z[1] : z[0]);
}

/// Rows 0, 2, ... or 1, 3, ... of a tile: those that read the same sums or differences, for these stay in registers.
template <int Pairs, int Odd>
inline void output_rows(const float* in, std::ptrdiff_t position, output_tile& o, float* p) {
    constexpr int size = winograd_points<Pairs>::size, results = size - 2, rows = results / 2;
    part y[rows][size];
    const std::ptrdiff_t line = size * position;
#pragma GCC unroll 8
    for (int j = 0; j < size; ++j, in += position) {
        part x[size], r[rows];
        in = hide(in);
#pragma GCC unroll 8
        for (int k = 0; k < size; ++k) x[k] = (k == size - 1) == (Odd == 1) ? load_position(in + k * line) : load_part(in + k * line);
        results_of_parity<Pairs, results, Odd>(x, r);
#pragma GCC unroll 4
        for (int k = 0; k < rows; ++k) y[k][j] = r[k];
    }
#pragma GCC unroll 4
    for (int k = 0; k < rows; ++k) {
        const int i = 2 * k + Odd;
        if (i >= o.height) break;
        part z[results];
        result_line<Pairs, results>(y[k], z);
#pragma GCC unroll 8
        for (int j = 0; j < results; ++j) z[j] = o.apply(z[j]);
        if (o.pooled != nullptr) pool_results(o, i, z);
        float* const to = p + i * o.row;
        if (o.width == results) put_results<results>(o, z, to);
        else put_some(o, z, to);
    }
}

/// A tile's results, from where they came together.
inline void stream_tile(const float* lines, int results, int height, int width, float* p, std::ptrdiff_t row) {
    for (int i = 0; i < height; ++i)
        for (int j = 0; j < width; ++j) stream(p + i * row + j * lanes, load(lines + (i * results + j) * lanes));
}

template <int Pairs>
inline void output_row(const float* in, const tile_row& r, const output_reading& o, float* plane) {
    constexpr int results = winograd_points<Pairs>::size - 2, parts = lanes / part_lanes;
    moments* const m = o.statistics;
    const scaling then = scaling_of(o.then);
    alignas(64) float scale[lanes], shift[lanes], floor[lanes], sum[lanes]{}, square[lanes]{};
    store(scale, then.scale);
    store(shift, o.bias != nullptr ? multiply_add(load(o.bias), then.scale, then.shift) : then.shift);
    store(floor, then.floor);
    // Past the caches go whole lines only: those of several registers come together first.
    const bool streams = o.stream && !o.accumulate, gathers = streams && !streams_parts;
    alignas(64) float lines[streams_parts ? 1 : results * results * lanes];
    output_tile tile[parts];
    for (int i = 0; i < parts; ++i) {
        const int at = i * part_lanes;
        tile[i] = {load_part(scale + at), load_part(shift + at), load_part(floor + at), o.accumulate, streams && !gathers, o.pool_stream, m != nullptr,
                   (gathers ? results : std::ptrdiff_t{r.w}) * lanes, r.h - r.y < results ? r.h - r.y : results, 0, nullptr, std::ptrdiff_t{r.w / 2} * lanes, {},
                   m != nullptr && m->count > 0 ? load_part(m->origin + at) : all_of_part(0), all_of_part(0), all_of_part(0)};
    }
    for (int t = 0; t < r.count; ++t, in += lanes) {
        const int x0 = r.x + results * t;
        float* const p = plane + (static_cast<std::ptrdiff_t>(r.y) * r.w + x0) * lanes;
        for (int i = 0; i < parts; ++i) {
            const int at = i * part_lanes;
            output_tile& of = tile[i];
            of.width = r.w - x0 < results ? r.w - x0 : results;
            of.sum = of.square = all_of_part(0);
            if (o.pooled != nullptr) of.pooled = o.pooled + (static_cast<std::ptrdiff_t>(r.y / 2) * (r.w / 2) + x0 / 2) * lanes + at;
            if (m != nullptr && m->count == 0 && t == 0) of.origin = inner_result<Pairs>(in + at, r.position, of);
            float* const to = (gathers ? lines : p) + at;
            output_rows<Pairs, 0>(in + at, r.position, of, to);
            output_rows<Pairs, 1>(in + at, r.position, of, to);
            store(sum + at, load_part(sum + at) + of.sum);
            store(square + at, load_part(square + at) + of.square);
        }
        if constexpr (!streams_parts)
            if (gathers) stream_tile(lines, results, tile[0].height, tile[0].width, p, static_cast<std::ptrdiff_t>(r.w) * lanes);
    }
    if (streams || o.pool_stream) finish_streams();
    if (m == nullptr) return;
    alignas(64) float origin[lanes];
    for (int i = 0; i < parts; ++i) store(origin + i * part_lanes, tile[i].origin);
    add_moments(*m, load(origin), load(sum), load(square));
    const int columns = r.w - r.x < results * r.count ? r.w - r.x : results * r.count;
    m->count += tile[0].height * columns;
}

inline void winograd_output(const float* in, const tile_row& r, const output_reading& o, float* plane) {
    return r.size == 6 ? output_row<2>(in, r, o, plane) : output_row<3>(in, r, o, plane);
}

template <int Pairs>
inline void weight_tile(const float* w, std::ptrdiff_t step, float* out, std::ptrdiff_t position) {
    constexpr int size = winograd_points<Pairs>::size;
    part y[size][3];
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) {
        part x[3], z[size];
#pragma GCC unroll 3
        for (int i = 0; i < 3; ++i) x[i] = load_part(w + (3 * i + j) * step);
        transform_line<Pairs, factor_lines<Pairs, 3>>(x, z);
#pragma GCC unroll 8
        for (int i = 0; i < size; ++i) y[i][j] = z[i];
    }
#pragma GCC unroll 8
    for (int i = 0; i < size; ++i) {
        part z[size];
        transform_line<Pairs, factor_lines<Pairs, 3>>(y[i], z);
#pragma GCC unroll 8
        for (int j = 0; j < size; ++j) store(out + (size * i + j) * position, z[j]);
    }
}

inline void winograd_weight(int size, const float* w, std::ptrdiff_t step, float* out, std::ptrdiff_t position) {
    for (int i = 0; i < lanes; i += part_lanes)
        if (size == 6) weight_tile<2>(w + i, step, out + i, position);
        else weight_tile<3>(w + i, step, out + i, position);
}

template <int Pairs>
inline void weight_gradient_tile(const float* u, std::ptrdiff_t position, int parts, std::ptrdiff_t distance, float* dw) {
    constexpr int size = winograd_points<Pairs>::size;
    part y[3 * size];
#pragma GCC unroll 1
    for (int j = 0; j < size; ++j) {
        part x[size], z[3];
#pragma GCC unroll 1
        for (int i = 0; i < size; ++i) {
            const float* p = u + (size * i + j) * position;
            part s = load_part(p);
            for (int k = 1; k < parts; ++k) s = s + load_part(p + k * distance);
            x[i] = s;
        }
        result_line<Pairs, 3>(x, z);
#pragma GCC unroll 3
        for (int i = 0; i < 3; ++i) y[size * i + j] = z[i];
    }
#pragma GCC unroll 1
    for (int i = 0; i < 3; ++i) {
        part z[3];
        result_line<Pairs, 3>(y + size * i, z);
#pragma GCC unroll 3
        for (int j = 0; j < 3; ++j) store(dw + (3 * i + j) * lanes, z[j]);
    }
}

inline void winograd_weight_gradient(int size, const float* u, std::ptrdiff_t position, int parts, std::ptrdiff_t distance, float* dw) {
    for (int i = 0; i < lanes; i += part_lanes)
        if (size == 6) weight_gradient_tile<2>(u + i, position, parts, distance, dw + i);
        else weight_gradient_tile<3>(u + i, position, parts, distance, dw + i);
}
