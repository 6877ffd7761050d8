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
inline quad keep(quad_mask mask, quad a) {
    quad_mask bits;
    __builtin_memcpy(&bits, &a, sizeof a);
    bits &= mask;
    quad result;
    __builtin_memcpy(&result, &bits, sizeof result);
    return result;
}
inline vec load(const float* p) { return {{load_quad(p), load_quad(p + 4), load_quad(p + 8), load_quad(p + 12)}}; }
inline void store(float* p, vec a) { __builtin_memcpy(p, a.v, sizeof a.v); }
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
    for (int i = 0; i < 4; ++i) r.v[i] = keep(~(a.v[i] <= quad{}), a.v[i]);
    return r;
}
inline vec where_positive(vec condition, vec a) {
    vec r;
    for (int i = 0; i < 4; ++i) r.v[i] = keep(condition.v[i] > quad{}, a.v[i]);
    return r;
}

inline constexpr int tile_pixels = 2, tile_units = 1;
inline constexpr int product_channels = 2, product_units = 1;
