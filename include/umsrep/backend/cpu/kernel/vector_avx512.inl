// SPDX-License-Identifier: MIT
// Sixteen floats with AVX-512: one register.
struct vec {
    __m512 v;
};
inline vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline void store(float* p, vec a) { _mm512_storeu_ps(p, a.v); }
inline vec all(float x) { return {_mm512_set1_ps(x)}; }
inline vec zero() { return {_mm512_setzero_ps()}; }
inline vec operator+(vec a, vec b) { return {_mm512_add_ps(a.v, b.v)}; }
inline vec operator-(vec a, vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline vec operator*(vec a, vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline vec multiply_add(vec a, vec b, vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline vec positive(vec a) { return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a.v, _mm512_setzero_ps(), _CMP_NLE_UQ), a.v)}; }
inline vec where_positive(vec condition, vec a) { return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(condition.v, _mm512_setzero_ps(), _CMP_GT_OQ), a.v)}; }

inline constexpr int tile_pixels = 13, tile_units = 2;       // 26 sums, 2 weights, 1 pixel: 29 of 32 registers
inline constexpr int product_channels = 8, product_units = 2; // 16 sums hide the latency of the multiply-add
