// SPDX-License-Identifier: MIT
// Sixteen floats with AVX-512: one register.
struct vec {
    __m512 v;
};
/// Keeps all lanes, where the plain form of an instruction makes GCC 12 see uninitialised variables (bug 105593).
inline constexpr __mmask16 every_lane = 0xFFFF;
inline vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline void store(float* p, vec a) { _mm512_storeu_ps(p, a.v); }
/// Past the caches; `p` on a boundary of 64 bytes. Other threads see it after `finish_streams`.
inline void stream(float* p, vec a) {
    _mm512_stream_ps(p, a.v);
}
inline void finish_streams() { _mm_sfence(); }
inline vec all(float x) { return {_mm512_set1_ps(x)}; }
inline vec zero() { return {_mm512_setzero_ps()}; }
inline vec operator+(vec a, vec b) { return {_mm512_add_ps(a.v, b.v)}; }
inline vec operator-(vec a, vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline vec operator*(vec a, vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline vec multiply_add(vec a, vec b, vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline vec positive(vec a) { return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a.v, _mm512_setzero_ps(), _CMP_NLE_UQ), a.v)}; }
/// The larger of a and floor; NaN where a is.
inline vec at_least(vec floor, vec a) { return {_mm512_maskz_max_ps(every_lane, floor.v, a.v)}; }
inline vec where_positive(vec condition, vec a) { return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(condition.v, _mm512_setzero_ps(), _CMP_GT_OQ), a.v)}; }

/// What one register holds: all lanes.
using part = vec;
inline constexpr int part_lanes = 16;
inline constexpr bool streams_parts = true; ///< a line of memory
inline part load_part(const float* p) { return load(p); }
inline part all_of_part(float x) { return all(x); }

/// A choice for each lane.
struct mask {
    __mmask16 m;
};
inline vec operator/(vec a, vec b) { return {_mm512_div_ps(a.v, b.v)}; }
inline mask greater(vec a, vec b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ)}; }
inline mask greater_or_nan(vec a, vec b) { return {static_cast<__mmask16>(_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ) | _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q))}; }
inline mask equal(vec a, vec b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
inline vec select(mask m, vec yes, vec no) { return {_mm512_mask_blend_ps(m.m, no.v, yes.v)}; }
/// The larger, the first of equals; NaN where one is.
inline part larger(part a, part b) { return select(greater_or_nan(b, a), b, a); }
/// The nearest integers, and 2^n for integers n in [-126, 127].
inline vec nearest(vec a) { return {_mm512_maskz_roundscale_ps(every_lane, a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
inline vec power_of_two(vec n) {
    const __m512i biased = _mm512_add_epi32(_mm512_maskz_cvtps_epi32(every_lane, n.v), _mm512_set1_epi32(127));
    return {_mm512_castsi512_ps(_mm512_maskz_slli_epi32(every_lane, biased, 23))};
}

inline constexpr int tile_pixels = 13, few_tile_pixels = 8, tile_units = 2; // 26 sums, 2 weights, 1 pixel: 29 of 32 registers
inline constexpr int product_channels = 8, product_units = 2; // 16 sums hide the latency of the multiply-add

/// Lane i of the result is the sum of the lanes of a[i]: halves, quarters and so on of sixteen vectors added at once.
inline vec lane_sums(const vec* a) {
    __m512 b[8], c[4], d[2];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i)
        b[i] = _mm512_add_ps(_mm512_maskz_unpacklo_ps(every_lane, a[2 * i].v, a[2 * i + 1].v), _mm512_maskz_unpackhi_ps(every_lane, a[2 * i].v, a[2 * i + 1].v));
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
        const __m512d low = _mm512_castps_pd(b[2 * i]), high = _mm512_castps_pd(b[2 * i + 1]);
        c[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_maskz_unpacklo_pd(0xFF, low, high)), _mm512_castpd_ps(_mm512_maskz_unpackhi_pd(0xFF, low, high)));
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i)
        d[i] = _mm512_add_ps(_mm512_maskz_shuffle_f32x4(every_lane, c[2 * i], c[2 * i + 1], 0x88), _mm512_maskz_shuffle_f32x4(every_lane, c[2 * i], c[2 * i + 1], 0xDD));
    return {_mm512_add_ps(_mm512_maskz_shuffle_f32x4(every_lane, d[0], d[1], 0x88), _mm512_maskz_shuffle_f32x4(every_lane, d[0], d[1], 0xDD))};
}

/// out[j][i] = in[i][j] for i < rows, j < columns, both at most 16; rows are `in_row` and `out_row` apart. Nothing else is read or written.
inline void transpose(const float* in, std::ptrdiff_t in_row, int rows, int columns, float* out, std::ptrdiff_t out_row) {
    const __mmask16 row_mask = static_cast<__mmask16>((1u << rows) - 1), column_mask = static_cast<__mmask16>((1u << columns) - 1);
    __m512 a[16], b[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) a[i] = i < rows ? _mm512_maskz_loadu_ps(column_mask, in + i * in_row) : _mm512_setzero_ps();
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_maskz_unpacklo_ps(every_lane, a[i], a[i + 1]);
        b[i + 1] = _mm512_maskz_unpackhi_ps(every_lane, a[i], a[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4)
#pragma GCC unroll 2
        for (int j = 0; j < 2; ++j) {
            const __m512d low = _mm512_castps_pd(b[i + j]), high = _mm512_castps_pd(b[i + j + 2]);
            a[i + 2 * j] = _mm512_castpd_ps(_mm512_maskz_unpacklo_pd(0xFF, low, high));
            a[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_maskz_unpackhi_pd(0xFF, low, high));
        }
    // a[4 g + j] holds, in its quarter q, column 4 q + j of rows 4 g to 4 g + 3.
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
        const __m512 even_low = _mm512_maskz_shuffle_f32x4(every_lane, a[j], a[4 + j], 0x88), odd_low = _mm512_maskz_shuffle_f32x4(every_lane, a[j], a[4 + j], 0xDD);
        const __m512 even_high = _mm512_maskz_shuffle_f32x4(every_lane, a[8 + j], a[12 + j], 0x88), odd_high = _mm512_maskz_shuffle_f32x4(every_lane, a[8 + j], a[12 + j], 0xDD);
        b[j] = _mm512_maskz_shuffle_f32x4(every_lane, even_low, even_high, 0x88);
        b[4 + j] = _mm512_maskz_shuffle_f32x4(every_lane, odd_low, odd_high, 0x88);
        b[8 + j] = _mm512_maskz_shuffle_f32x4(every_lane, even_low, even_high, 0xDD);
        b[12 + j] = _mm512_maskz_shuffle_f32x4(every_lane, odd_low, odd_high, 0xDD);
    }
#pragma GCC unroll 16
    for (int j = 0; j < 16; ++j)
        if (j < columns) _mm512_mask_storeu_ps(out + j * out_row, row_mask, b[j]);
}
