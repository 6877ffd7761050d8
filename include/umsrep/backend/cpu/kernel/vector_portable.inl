// SPDX-License-Identifier: MIT
// Sixteen floats as four vectors of four, which every compiler with vector extensions maps to SSE2 or NEON.
typedef float quad __attribute__((vector_size(16)));
typedef int quad_mask __attribute__((vector_size(16)));
struct vec {
    quad v[4];
};
inline quad load_quad(const float* p) {
    quad q;
    __builtin_memcpy(&q, p, sizeof q);
    return q;
}
inline vec load(const float* p) { return {{load_quad(p), load_quad(p + 4), load_quad(p + 8), load_quad(p + 12)}}; }
inline void store(float* p, vec a) { __builtin_memcpy(p, a.v, sizeof a.v); }
inline void stream(float* p, vec a) { store(p, a); }
inline void finish_streams() {}
inline vec all(float x) {
    const quad q{x, x, x, x};
    return {{q, q, q, q}};
}
inline vec zero() { return all(0); }
inline vec operator+(vec a, vec b) { return {{a.v[0] + b.v[0], a.v[1] + b.v[1], a.v[2] + b.v[2], a.v[3] + b.v[3]}}; }
inline vec operator-(vec a, vec b) { return {{a.v[0] - b.v[0], a.v[1] - b.v[1], a.v[2] - b.v[2], a.v[3] - b.v[3]}}; }
inline vec operator*(vec a, vec b) { return {{a.v[0] * b.v[0], a.v[1] * b.v[1], a.v[2] * b.v[2], a.v[3] * b.v[3]}}; }
inline vec multiply_add(vec a, vec b, vec c) { return a * b + c; }
inline vec positive(vec a) {
    vec r;
    for (int i = 0; i < 4; ++i) r.v[i] = a.v[i] <= quad{} ? quad{} : a.v[i];
    return r;
}
/// The larger of a and floor; NaN where a is.
inline vec at_least(vec floor, vec a) {
    vec r;
    for (int i = 0; i < 4; ++i) r.v[i] = a.v[i] < floor.v[i] ? floor.v[i] : a.v[i];
    return r;
}
inline vec where_positive(vec condition, vec a) {
    vec r;
    for (int i = 0; i < 4; ++i) r.v[i] = condition.v[i] > quad{} ? a.v[i] : quad{};
    return r;
}

/// What one register holds: a quarter of the lanes.
struct part {
    quad v;
};
inline constexpr int part_lanes = 4;
inline constexpr bool streams_parts = true; ///< streams are stores
inline part load_part(const float* p) { return {load_quad(p)}; }
inline void store(float* p, part a) { __builtin_memcpy(p, &a.v, sizeof a.v); }
inline void stream(float* p, part a) { store(p, a); }
inline part all_of_part(float x) { return {quad{x, x, x, x}}; }
inline part operator+(part a, part b) { return {a.v + b.v}; }
inline part operator-(part a, part b) { return {a.v - b.v}; }
inline part operator*(part a, part b) { return {a.v * b.v}; }
inline part multiply_add(part a, part b, part c) { return a * b + c; }
inline part at_least(part floor, part a) { return {a.v < floor.v ? floor.v : a.v}; }
/// The larger, the first of equals; NaN where one is.
inline part larger(part a, part b) { return {((b.v > a.v) | (b.v != b.v)) ? b.v : a.v}; }

/// A choice for each lane.
struct mask {
    quad_mask m[4];
};
inline vec operator/(vec a, vec b) { return {{a.v[0] / b.v[0], a.v[1] / b.v[1], a.v[2] / b.v[2], a.v[3] / b.v[3]}}; }
inline mask greater(vec a, vec b) { return {{a.v[0] > b.v[0], a.v[1] > b.v[1], a.v[2] > b.v[2], a.v[3] > b.v[3]}}; }
inline mask greater_or_nan(vec a, vec b) {
    mask r;
    for (int i = 0; i < 4; ++i) r.m[i] = (a.v[i] > b.v[i]) | (a.v[i] != a.v[i]);
    return r;
}
inline mask equal(vec a, vec b) { return {{a.v[0] == b.v[0], a.v[1] == b.v[1], a.v[2] == b.v[2], a.v[3] == b.v[3]}}; }
inline vec select(mask m, vec yes, vec no) {
    vec r;
    for (int i = 0; i < 4; ++i) r.v[i] = m.m[i] ? yes.v[i] : no.v[i];
    return r;
}
/// The nearest integers of numbers below 2^22 (adding 1.5 2^23 leaves no binary places), and 2^n for integers n in [-126, 127].
inline vec nearest(vec a) { return (a + all(0x1.8p23f)) - all(0x1.8p23f); }
inline vec power_of_two(vec n) {
    vec r;
    for (int i = 0; i < 4; ++i) {
        const quad biased = n.v[i] + quad{0x1p23f + 127, 0x1p23f + 127, 0x1p23f + 127, 0x1p23f + 127}; // the integer is in the lowest bits
        quad_mask bits;
        __builtin_memcpy(&bits, &biased, sizeof bits);
        bits = bits << 23;
        __builtin_memcpy(&r.v[i], &bits, sizeof bits);
    }
    return r;
}

inline constexpr int tile_pixels = 2, few_tile_pixels = 2, tile_units = 1;
inline constexpr int product_channels = 2, product_units = 1;

/// Lane i of the result is the sum of the lanes of a[i].
inline vec lane_sums(const vec* a) {
    vec r;
    for (int i = 0; i < 16; ++i) {
        const quad q = (a[i].v[0] + a[i].v[1]) + (a[i].v[2] + a[i].v[3]);
        r.v[i / 4][i % 4] = (q[0] + q[1]) + (q[2] + q[3]);
    }
    return r;
}

/// out[j][i] = in[i][j] for i < rows, j < columns, both at most 16; rows are `in_row` and `out_row` apart. Nothing else is read or written.
inline void transpose(const float* in, std::ptrdiff_t in_row, int rows, int columns, float* out, std::ptrdiff_t out_row) {
    for (int j = 0; j < columns; ++j)
        for (int i = 0; i < rows; ++i) out[j * out_row + i] = in[i * in_row + j];
}
