// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/loss.cuh>

/// Structural similarity over a pyramid of scales, and the absolute error beside it:
///   mean over the channels of the samples that have a label of  alpha (1 - prod_j m_j^w_j) + (1 - alpha) mean |x - t|,
/// m_j the mean contrast-structure of scale j, of the coarsest the mean similarity; one scale is plain SSIM. As umsrep::loss::ssim, ms_ssim
/// and l1_ms_ssim, which name the sources. All between logits and gradient are planes of floats (N, C, H, W).
///
/// In this order: share_of_present with each = channels, to_planes, plane_errors; for each scale halve_planes (not for the finest),
/// smooth_rows, compare_planes, and where a gradient is wanted spread_columns, spread_rows; then judge_planes, loss_total over the planes,
/// fold_scales from the second coarsest to the second finest, similarity_gradient.
namespace umsrep::cuda::kernel {

inline constexpr u32 window_taps = 11, most_scales = 5;

/// The Gaussian along a side of the window, sum 1.
struct gaussian {
    float at[window_taps];
};

/// Planes of one scale, and their inside, where the window lies wholly on the plane.
struct scale_planes {
    u32 count, h, w;

    UMSREP_DEVICE constexpr u32 size() const { return h * w; }
    UMSREP_DEVICE constexpr u32 inner_h() const { return h - (window_taps - 1); }
    UMSREP_DEVICE constexpr u32 inner_w() const { return w - (window_taps - 1); }
    UMSREP_DEVICE constexpr u32 inner() const { return inner_h() * inner_w(); }
    UMSREP_DEVICE constexpr u32 rows() const { return h * inner_w(); }
    UMSREP_DEVICE constexpr scale_planes half() const { return {count, h / 2, w / 2}; }
};

/// Images in [0, 1] are shifted by this before they are squared: a variance does not change, and loses less to rounding.
inline constexpr float middle_grey = 0.5f;

/// The absolute error of each plane, and how many of its targets were refused, by `reduce`.
struct plane_errors {
    extents e;
    const float *x, *target;
    presence present;
    loss_sum* to; ///< (N, C)

    using sums = loss_sum;
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return static_cast<long long>(e.n) * e.c; }
    UMSREP_DEVICE u32 length() const { return e.plane(); }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32 plane, u32 pixel) const {
        if (!present[plane / e.c]) return;
        const long long i = static_cast<long long>(plane) * e.plane() + pixel;
        if (is_finite(target[i])) s.value += static_cast<double>(::fabsf(x[i] - target[i]));
        else ++s.refused;
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.merge(from); }
    UMSREP_DEVICE void finish(u32 plane, const sums& all) const { to[plane] = all; }
};

/// Means of 2 x 2 blocks, by `map`; an odd last row or column falls away.
struct halve_planes {
    scale_planes fine;
    const float* from;
    float* to;

    UMSREP_DEVICE long long count() const { return static_cast<long long>(fine.count) * fine.half().size(); }
    UMSREP_DEVICE void operator()(u32 i) const {
        const scale_planes half = fine.half();
        const u32 x = i % half.w, y = i / half.w % half.h, plane = i / half.size();
        const float* const p = from + static_cast<long long>(plane) * fine.size() + 2 * y * fine.w + 2 * x;
        to[i] = 0.25f * ((p[0] + p[1]) + (p[fine.w] + p[fine.w + 1]));
    }
};

/// What is smoothed of two images: x, y, x^2 + y^2 and x y, of pixels less the middle grey.
struct window_moments {
    float x, y, squares, product;
};

/// The moments smoothed along rows, by `map`: (plane, row, inner column).
struct smooth_rows {
    scale_planes s;
    gaussian g;
    const float *x, *y;
    window_moments* to;

    UMSREP_DEVICE long long count() const { return static_cast<long long>(s.count) * s.rows(); }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 column = i % s.inner_w(), row = i / s.inner_w(); // of all planes
        const long long first = static_cast<long long>(row) * s.w + column;
        window_moments m = {0, 0, 0, 0};
        for (u32 k = 0; k < window_taps; ++k) {
            const float a = x[first + k] - middle_grey, b = y[first + k] - middle_grey;
            m.x += g.at[k] * a;
            m.y += g.at[k] * b;
            m.squares += g.at[k] * (a * a + b * b);
            m.product += g.at[k] * (a * b);
        }
        to[i] = m;
    }
};

/// The derivatives of a similarity by the smoothed x, x^2 and x y.
struct similarity_slopes {
    float mean, squares, product;
};

/// Smooths down the columns what smooth_rows gave, and adds l cs, or cs alone, over pieces of each plane, by `reduce`:
///   l  = (2 mx my + C1) / (mx^2 + my^2 + C1),   cs = (2 sxy + C2) / (sxx + syy + C2).
struct compare_planes {
    scale_planes s;
    two_steps step; ///< cut(s.inner(), ...)
    gaussian g;
    bool luminance; ///< whether l counts
    const window_moments* rows;
    similarity_slopes* slopes; ///< (plane, inner pixel), of the mean over the inside; null: not wanted
    double* to;                ///< (plane, piece)

    struct sums {
        double value;
    };
    static constexpr bool applies = false;
    static constexpr float c1 = 0.01f * 0.01f, c2 = 0.03f * 0.03f; // (K1 L)^2, (K2 L)^2 with L = 1
    UMSREP_DEVICE long long outputs() const { return static_cast<long long>(s.count) * step.count; }
    UMSREP_DEVICE u32 length() const { return step.length; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& sum, u32 output, u32 term) const {
        const u32 plane = output / step.count, inside = output % step.count * step.length + term;
        if (inside >= s.inner()) return;
        const window_moments* const from = rows + static_cast<long long>(plane) * s.rows() + inside;
        window_moments m = {0, 0, 0, 0};
        for (u32 k = 0; k < window_taps; ++k) {
            const window_moments& r = from[static_cast<long long>(k) * s.inner_w()];
            m.x += g.at[k] * r.x;
            m.y += g.at[k] * r.y;
            m.squares += g.at[k] * r.squares;
            m.product += g.at[k] * r.product;
        }
        const float above = 2 * (m.product - m.x * m.y) + c2, below = (m.squares - (m.x * m.x + m.y * m.y)) + c2;
        const float over = 1 / below, cs = above * over;
        float l = 1, l_slope = 0; // d l / d mx
        if (luminance) {
            const float a = m.x + middle_grey, b = m.y + middle_grey, light = 1 / (a * a + b * b + c1);
            l = (2 * a * b + c1) * light;
            l_slope = 2 * (b - l * a) * light;
        }
        sum.value += static_cast<double>(l * cs);
        if (slopes == nullptr) return;
        const float share = 1 / static_cast<float>(s.inner()), common = share * l * over;
        slopes[static_cast<long long>(plane) * s.inner() + inside] = {share * l_slope * cs + 2 * common * (cs * m.x - m.y), -common * cs,
                                                                      2 * common};
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.value += from.value; }
    UMSREP_DEVICE void finish(u32 output, const sums& all) const { to[output] = all.value; }
};

/// The transpose of smoothing down the columns, by `map`: (plane, row, inner column).
struct spread_columns {
    scale_planes s;
    gaussian g;
    const similarity_slopes* from;
    similarity_slopes* to;

    UMSREP_DEVICE long long count() const { return static_cast<long long>(s.count) * s.rows(); }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 column = i % s.inner_w(), row = i / s.inner_w() % s.h, plane = i / s.rows();
        const similarity_slopes* const p = from + static_cast<long long>(plane) * s.inner() + column;
        similarity_slopes sum = {0, 0, 0};
        for (u32 k = 0; k < window_taps; ++k) { // a window that begins k rows above
            if (k > row || row - k >= s.inner_h()) continue;
            const similarity_slopes& at = p[(row - k) * s.inner_w()];
            sum.mean += g.at[k] * at.mean;
            sum.squares += g.at[k] * at.squares;
            sum.product += g.at[k] * at.product;
        }
        to[i] = sum;
    }
};

/// The same along rows, and the gradient of the mean similarity by each pixel of x from it, by `map`.
struct spread_rows {
    scale_planes s;
    gaussian g;
    const similarity_slopes* from;
    const float *x, *y;
    float* gradient;

    UMSREP_DEVICE long long count() const { return static_cast<long long>(s.count) * s.size(); }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 column = i % s.w, row = i / s.w; // of all planes
        const similarity_slopes* const p = from + static_cast<long long>(row) * s.inner_w();
        similarity_slopes sum = {0, 0, 0};
        for (u32 k = 0; k < window_taps; ++k) {
            if (k > column || column - k >= s.inner_w()) continue;
            const similarity_slopes& at = p[column - k];
            sum.mean += g.at[k] * at.mean;
            sum.squares += g.at[k] * at.squares;
            sum.product += g.at[k] * at.product;
        }
        gradient[i] = sum.mean + 2 * (x[i] - middle_grey) * sum.squares + (y[i] - middle_grey) * sum.product;
    }
};

struct similarity_options {
    u32 scales;
    double exponent[most_scales]; ///< of the scales' means; not read where there is one
    double floor;                 ///< a scale's mean counts as this when it is below
    double alpha;                 ///< weight of 1 - similarity; 1 - alpha: of the absolute error
};

/// The loss of each plane from the means of its scales and its absolute error, and by how much each scale's gradient counts, by `reduce`.
struct judge_planes {
    similarity_options options;
    extents e;
    u32 pieces[most_scales]; ///< of a plane in each scale
    u32 inner[most_scales];  ///< pixels of the inside
    const double* means[most_scales];
    const loss_sum* errors;
    presence present;
    const loss_share* share;
    float* factors;   ///< (plane, most_scales)
    loss_sum* values; ///< (plane)

    struct sums {
        double of_scale[most_scales];
    };
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return static_cast<long long>(e.n) * e.c; }
    UMSREP_DEVICE u32 length() const {
        u32 most = 0;
        for (u32 j = 0; j < options.scales; ++j) most = largest(most, pieces[j]);
        return most;
    }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32 plane, u32 piece) const {
        for (u32 j = 0; j < options.scales; ++j)
            if (piece < pieces[j]) s.of_scale[j] += means[j][static_cast<long long>(plane) * pieces[j] + piece];
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) {
        for (u32 j = 0; j < most_scales; ++j) to.of_scale[j] += from.of_scale[j];
    }
    UMSREP_DEVICE void finish(u32 plane, const sums& all) const {
        float* const factor = factors + static_cast<long long>(plane) * most_scales;
        for (u32 j = 0; j < most_scales; ++j) factor[j] = 0;
        values[plane] = {0, 0};
        if (!present[plane / e.c]) return;
        if (const u32 refused = errors[plane].refused; refused != 0) {
            values[plane].refused = refused;
            return;
        }
        double product = 1, slope[most_scales] = {}; // d log(product) / d m_j
        for (u32 j = 0; j < options.scales; ++j) {
            const double m = all.of_scale[j] / inner[j];
            if (options.scales == 1) { // no power: a negative similarity is a number like any other
                product = m;
                slope[j] = 1;
            } else {
                product *= m != m ? m : ::pow(m > options.floor ? m : options.floor, options.exponent[j]);
                slope[j] = m > options.floor ? options.exponent[j] / m : 0;
            }
        }
        const double outer = -options.alpha * static_cast<double>(share->step) * (options.scales == 1 ? 1 : product);
        for (u32 j = 0; j < options.scales; ++j) factor[j] = static_cast<float>(outer * slope[j]);
        values[plane].value = options.alpha * (1 - product) + (1 - options.alpha) * errors[plane].value / e.plane();
    }
};

/// The gradient of a scale times its factor, and behind it that of the next coarser scale, by `map`. In place.
struct fold_scales {
    scale_planes s;
    u32 scale;
    const float* factors;
    const float* coarser; ///< already times its factor; null: there is none
    float* gradient;

    UMSREP_DEVICE long long count() const { return static_cast<long long>(s.count) * s.size(); }
    UMSREP_DEVICE void operator()(u32 i) const { gradient[i] = at(i); }
    UMSREP_DEVICE float at(u32 i) const {
        const u32 x = i % s.w, y = i / s.w % s.h, plane = i / s.size();
        const scale_planes half = s.half();
        float sum = factors[static_cast<long long>(plane) * most_scales + scale] * gradient[i];
        if (coarser != nullptr && x / 2 < half.w && y / 2 < half.h)
            sum += 0.25f * coarser[static_cast<long long>(plane) * half.size() + y / 2 * half.w + x / 2];
        return sum;
    }
};

/// The gradient at the logits, by `map`.
template <class T>
struct similarity_gradient {
    extents e;
    fold_scales finest;
    float error_weight; ///< 1 - alpha
    const float *x, *target;
    const loss_sum* errors;
    presence present;
    const loss_share* share;
    pixels<T> gradient;

    UMSREP_DEVICE long long count() const { return e.size(); }
    UMSREP_DEVICE void operator()(u32 task) const {
        const u32 pixel = task / e.c, channel = task % e.c, sample = pixel / e.plane(), plane = sample * e.c + channel;
        float slope = 0;
        if (present[sample] && errors[plane].refused == 0) {
            const u32 i = plane * e.plane() + pixel % e.plane();
            const float d = x[i] - target[i];
            slope = finest.at(i);
            if (error_weight != 0)
                slope += error_weight * share->step / static_cast<float>(e.plane()) * (d > 0 ? 1.0f : d < 0 ? -1.0f : d - d);
        }
        *gradient.at(pixel, channel) = number<T>::from(slope);
    }
};

} // namespace umsrep::cuda::kernel
