// SPDX-License-Identifier: MIT
// Sixteen floats with AVX2 and FMA: two registers.
struct vec {
    __m256 v[2];
};
inline vec load(const float* p) { return {{_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}}; }
inline void store(float* p, vec a) {
    _mm256_storeu_ps(p, a.v[0]);
    _mm256_storeu_ps(p + 8, a.v[1]);
}
/// Past the caches; `p` on a boundary of 64 bytes. Other threads see it after `finish_streams`.
inline void stream(float* p, vec a) {
    _mm256_stream_ps(p, a.v[0]);
    _mm256_stream_ps(p + 8, a.v[1]);
}
inline void finish_streams() { _mm_sfence(); }
inline vec all(float x) {
    const __m256 v = _mm256_set1_ps(x);
    return {{v, v}};
}
inline vec zero() { return {{_mm256_setzero_ps(), _mm256_setzero_ps()}}; }
inline vec operator+(vec a, vec b) { return {{_mm256_add_ps(a.v[0], b.v[0]), _mm256_add_ps(a.v[1], b.v[1])}}; }
inline vec operator-(vec a, vec b) { return {{_mm256_sub_ps(a.v[0], b.v[0]), _mm256_sub_ps(a.v[1], b.v[1])}}; }
inline vec operator*(vec a, vec b) { return {{_mm256_mul_ps(a.v[0], b.v[0]), _mm256_mul_ps(a.v[1], b.v[1])}}; }
inline vec multiply_add(vec a, vec b, vec c) {
    return {{_mm256_fmadd_ps(a.v[0], b.v[0], c.v[0]), _mm256_fmadd_ps(a.v[1], b.v[1], c.v[1])}};
}
inline __m256 mask_nle(__m256 a) { return _mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_NLE_UQ); }
inline __m256 mask_gt(__m256 a) { return _mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_GT_OQ); }
inline vec positive(vec a) { return {{_mm256_and_ps(mask_nle(a.v[0]), a.v[0]), _mm256_and_ps(mask_nle(a.v[1]), a.v[1])}}; }
/// The larger of a and floor; NaN where a is.
inline vec at_least(vec floor, vec a) { return {{_mm256_max_ps(floor.v[0], a.v[0]), _mm256_max_ps(floor.v[1], a.v[1])}}; }
inline vec where_positive(vec condition, vec a) {
    return {{_mm256_and_ps(mask_gt(condition.v[0]), a.v[0]), _mm256_and_ps(mask_gt(condition.v[1]), a.v[1])}};
}

/// What one register holds: half of the lanes.
struct part {
    __m256 v;
};
inline constexpr int part_lanes = 8;
inline constexpr bool streams_parts = false; ///< half a line each, which goes past the caches slowly
inline part load_part(const float* p) { return {_mm256_loadu_ps(p)}; }
inline void store(float* p, part a) { _mm256_storeu_ps(p, a.v); }
inline void stream(float* p, part a) { _mm256_stream_ps(p, a.v); }
inline part all_of_part(float x) { return {_mm256_set1_ps(x)}; }
inline part operator+(part a, part b) { return {_mm256_add_ps(a.v, b.v)}; }
inline part operator-(part a, part b) { return {_mm256_sub_ps(a.v, b.v)}; }
inline part operator*(part a, part b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline part multiply_add(part a, part b, part c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
inline part at_least(part floor, part a) { return {_mm256_max_ps(floor.v, a.v)}; }
/// The larger, the first of equals; NaN where one is.
inline part larger(part a, part b) {
    return {_mm256_blendv_ps(a.v, b.v, _mm256_or_ps(_mm256_cmp_ps(b.v, a.v, _CMP_GT_OQ), _mm256_cmp_ps(b.v, b.v, _CMP_UNORD_Q)))};
}

/// A choice for each lane.
struct mask {
    __m256 m[2];
};
inline vec operator/(vec a, vec b) { return {{_mm256_div_ps(a.v[0], b.v[0]), _mm256_div_ps(a.v[1], b.v[1])}}; }
inline mask greater(vec a, vec b) { return {{_mm256_cmp_ps(a.v[0], b.v[0], _CMP_GT_OQ), _mm256_cmp_ps(a.v[1], b.v[1], _CMP_GT_OQ)}}; }
inline mask greater_or_nan(vec a, vec b) {
    mask r = greater(a, b);
    for (int i = 0; i < 2; ++i) r.m[i] = _mm256_or_ps(r.m[i], _mm256_cmp_ps(a.v[i], a.v[i], _CMP_UNORD_Q));
    return r;
}
inline mask equal(vec a, vec b) { return {{_mm256_cmp_ps(a.v[0], b.v[0], _CMP_EQ_OQ), _mm256_cmp_ps(a.v[1], b.v[1], _CMP_EQ_OQ)}}; }
inline vec select(mask m, vec yes, vec no) { return {{_mm256_blendv_ps(no.v[0], yes.v[0], m.m[0]), _mm256_blendv_ps(no.v[1], yes.v[1], m.m[1])}}; }
/// The nearest integers, and 2^n for integers n in [-126, 127].
inline vec nearest(vec a) {
    constexpr int mode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    return {{_mm256_round_ps(a.v[0], mode), _mm256_round_ps(a.v[1], mode)}};
}
inline __m256 power_of_two(__m256 n) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23)); }
inline vec power_of_two(vec n) { return {{power_of_two(n.v[0]), power_of_two(n.v[1])}}; }

inline constexpr int tile_pixels = 6, few_tile_pixels = 4, tile_units = 1; // 12 registers of sums, 2 of weights, 1 pixel: 15 of 16
inline constexpr int product_channels = 4, product_units = 1;

/// Lane i of the result is the sum of the lanes of a[i].
inline vec lane_sums(const vec* a) {
    vec result;
    for (int half = 0; half < 2; ++half, a += 8) {
        __m256 b[8], c[4], d[2];
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) b[i] = _mm256_add_ps(a[i].v[0], a[i].v[1]);
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) c[i] = _mm256_hadd_ps(b[2 * i], b[2 * i + 1]);
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) d[i] = _mm256_hadd_ps(c[2 * i], c[2 * i + 1]); // four sums in each half
        result.v[half] = _mm256_add_ps(_mm256_permute2f128_ps(d[0], d[1], 0x20), _mm256_permute2f128_ps(d[0], d[1], 0x31));
    }
    return result;
}

/// out[j][i] = in[i][j] for i < rows, j < columns, both at most 16; rows are `in_row` and `out_row` apart. Nothing else is read or written.
inline void transpose(const float* in, std::ptrdiff_t in_row, int rows, int columns, float* out, std::ptrdiff_t out_row) {
    for (int j = 0; j < columns; ++j)
        for (int i = 0; i < rows; ++i) out[j * out_row + i] = in[i * in_row + j];
}
