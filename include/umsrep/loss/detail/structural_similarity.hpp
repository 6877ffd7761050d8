// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <umsrep/core/tensor_view.hpp>
#include <umsrep/loss/detail/check.hpp>
#include <umsrep/loss/detail/elementwise.hpp>

/// Structural similarity of two planes and its derivative, and the pyramid over it. Sources: Wang, Bovik, Sheikh, Simoncelli,
/// "Image quality assessment", IEEE TIP 13(4), 2004 (window, constants); Wang, Simoncelli, Bovik, "Multiscale structural
/// similarity", Asilomar 2003 (scales, weights).
namespace umsrep::loss::detail {

inline constexpr int ssim_window = 11;
inline constexpr double ssim_c1 = 0.01 * 0.01, ssim_c2 = 0.03 * 0.03; // (K1 L)^2, (K2 L)^2 with L = 1
inline constexpr std::array<double, 5> ms_ssim_weights{0.0448, 0.2856, 0.3001, 0.2363, 0.1333};

/// The Gaussian of sigma 1.5 on 11 taps, sum 1.
inline const std::array<double, ssim_window>& ssim_taps() {
    static const auto taps = [] {
        std::array<double, ssim_window> g{};
        double sum = 0.0;
        for (int k = 0; k < ssim_window; ++k) {
            const double d = (k - ssim_window / 2) / 1.5;
            sum += g[static_cast<std::size_t>(k)] = std::exp(-0.5 * d * d);
        }
        for (double& tap : g) tap /= sum;
        return g;
    }();
    return taps;
}

/// Height and width of a plane and of its filtered inside, where the window lies wholly on the image.
struct frame {
    int h = 0, w = 0;
    constexpr int inner_h() const { return h - ssim_window + 1; }
    constexpr int inner_w() const { return w - ssim_window + 1; }
    constexpr std::ptrdiff_t size() const { return std::ptrdiff_t{h} * w; }
    constexpr std::ptrdiff_t inner_size() const { return std::ptrdiff_t{inner_h()} * inner_w(); }
    constexpr frame half() const { return {h / 2, w / 2}; }
};

/// out (inner) = Gaussian window over in (h, w); `rows` holds h * inner_w values in between.
inline void smooth(const double* in, frame f, double* rows, double* out) {
    const auto& taps = ssim_taps();
    const std::ptrdiff_t w = f.w, inner = f.inner_w();
    std::fill_n(rows, f.h * inner, 0.0);
    for (int y = 0; y < f.h; ++y)
        for (int k = 0; k < ssim_window; ++k)
            for (std::ptrdiff_t x = 0; x < inner; ++x)
                rows[y * inner + x] += taps[static_cast<std::size_t>(k)] * in[y * w + x + k];
    std::fill_n(out, f.inner_size(), 0.0);
    for (int y = 0; y < f.inner_h(); ++y)
        for (int k = 0; k < ssim_window; ++k)
            for (std::ptrdiff_t x = 0; x < inner; ++x)
                out[y * inner + x] += taps[static_cast<std::size_t>(k)] * rows[(y + k) * inner + x];
}

/// The transpose of `smooth`: out (h, w) from in (inner).
inline void smooth_adjoint(const double* in, frame f, double* rows, double* out) {
    const auto& taps = ssim_taps();
    const std::ptrdiff_t w = f.w, inner = f.inner_w();
    std::fill_n(rows, f.h * inner, 0.0);
    for (int y = 0; y < f.inner_h(); ++y)
        for (int k = 0; k < ssim_window; ++k)
            for (std::ptrdiff_t x = 0; x < inner; ++x)
                rows[(y + k) * inner + x] += taps[static_cast<std::size_t>(k)] * in[y * inner + x];
    std::fill_n(out, f.size(), 0.0);
    for (int y = 0; y < f.h; ++y)
        for (int k = 0; k < ssim_window; ++k)
            for (std::ptrdiff_t x = 0; x < inner; ++x)
                out[y * w + x + k] += taps[static_cast<std::size_t>(k)] * rows[y * inner + x];
}

/// Mean over the inside of l * cs (`luminance`) or of cs alone, where with Gaussian moments of x and y
///   l  = (2 mx my + C1) / (mx^2 + my^2 + C1),   cs = (2 sxy + C2) / (sxx + syy + C2).
/// Writes d mean / d x to `gradient` unless null. `scratch`: 7 * f.size() doubles.
inline double similarity(const double* x, const double* y, frame f, bool luminance, double* gradient, double* scratch) {
    const std::ptrdiff_t size = f.size(), inside = f.inner_size();
    double *product = scratch, *rows = product + size, *mx = rows + size, *my = mx + inside, *xx = my + inside, *yy = xx + inside,
           *xy = yy + inside;

    const auto moment = [&](const double* a, const double* b, double* out) {
        for (std::ptrdiff_t j = 0; j < size; ++j) product[j] = a[j] * b[j];
        smooth(product, f, rows, out);
    };
    smooth(x, f, rows, mx);
    smooth(y, f, rows, my);
    moment(x, x, xx);
    moment(y, y, yy);
    moment(x, y, xy);

    // Partial derivatives with respect to the moments mx, E[x^2], E[xy] take the moments' places.
    double sum = 0.0;
    const double share = 1.0 / static_cast<double>(inside);
    for (std::ptrdiff_t j = 0; j < inside; ++j) {
        const double a = mx[j], b = my[j];
        const double above = 2.0 * (xy[j] - a * b) + ssim_c2, below = (xx[j] - a * a) + (yy[j] - b * b) + ssim_c2;
        const double cs = above / below;
        const double light = a * a + b * b + ssim_c1, l = luminance ? (2.0 * a * b + ssim_c1) / light : 1.0;
        const double l_slope = luminance ? 2.0 * (b - l * a) / light : 0.0; // d l / d mx
        sum += l * cs;
        xx[j] = share * l * -cs / below;
        xy[j] = share * l * 2.0 / below;
        mx[j] = share * (l_slope * cs + l * 2.0 * (cs * a - b) / below);
    }
    if (gradient) {
        smooth_adjoint(mx, f, rows, gradient);
        smooth_adjoint(xx, f, rows, product);
        for (std::ptrdiff_t j = 0; j < size; ++j) gradient[j] += 2.0 * x[j] * product[j];
        smooth_adjoint(xy, f, rows, product);
        for (std::ptrdiff_t j = 0; j < size; ++j) gradient[j] += y[j] * product[j];
    }
    return sum * share;
}

/// Means of 2 x 2 blocks; an odd last row or column falls away.
inline void halve(const double* in, frame f, double* out) {
    const frame half = f.half();
    const std::ptrdiff_t w = f.w;
    for (std::ptrdiff_t y = 0; y < half.h; ++y)
        for (std::ptrdiff_t x = 0; x < half.w; ++x) {
            const double* p = in + 2 * y * w + 2 * x;
            *out++ = 0.25 * ((p[0] + p[1]) + (p[w] + p[w + 1]));
        }
}

/// Adds the transpose of `halve` to out.
inline void halve_adjoint(const double* in, frame f, double* out) {
    const frame half = f.half();
    const std::ptrdiff_t w = f.w;
    for (std::ptrdiff_t y = 0; y < half.h; ++y)
        for (std::ptrdiff_t x = 0; x < half.w; ++x) {
            double* p = out + 2 * y * w + 2 * x;
            const double quarter = 0.25 * *in++;
            p[0] += quarter, p[1] += quarter, p[w] += quarter, p[w + 1] += quarter;
        }
}

/// How many of Wang's five scales an image has room for: its coarsest side must still hold the window.
constexpr int scales_that_fit(shape s) {
    const int side = std::min(s.h, s.w);
    int scales = 0;
    while (scales < static_cast<int>(ms_ssim_weights.size()) && (side >> scales) >= ssim_window) ++scales;
    return scales;
}

/// Doubles that `similarity_over_present` needs: three pyramids (at most 4/3 of a plane each) and the moments of one level.
constexpr std::size_t similarity_scratch(shape s) { return static_cast<std::size_t>(11 * s.plane()); }

/// Refuses images that are too small for `scales`, naming the smallest side that would do.
inline void check_similarity(std::string_view loss, shape s, int scales) {
    const int smallest = ssim_window << (scales - 1);
    if (std::min(s.h, s.w) < smallest)
        throw shape_mismatch(
            std::string{loss} + " image",
            "a smallest side of at least " + text(smallest) + " for " + text(scales) + (scales == 1 ? " scale" : " scales"),
            text(s.h) + " x " + text(s.w));
}

/// The mean of 1 - prod_j m_j^w_j over the channels of the present samples: m_j the mean contrast-structure of scale j, of the
/// coarsest the mean similarity, w_j Wang's weights of the scales used, divided by their sum. One scale is plain SSIM.
template <class T>
double similarity_over_present(int scales, double floor, tensor_view<const T> logits, tensor_view<const float> target,
                               std::span<const std::uint8_t> present, double weight, tensor_view<T> gradient, write mode,
                               finite check, std::span<double> scratch) {
    constexpr std::size_t most = ms_ssim_weights.size();
    const auto used = static_cast<std::size_t>(scales);
    double weight_sum = 0.0;
    for (std::size_t j = 0; j < used; ++j) weight_sum += ms_ssim_weights[j];

    std::array<frame, most> level{};
    std::array<double*, most> xs{}, ys{}, gs{};
    double* next = scratch.data();
    for (std::size_t j = 0; j < used; ++j) {
        level[j] = j == 0 ? frame{logits.s.h, logits.s.w} : level[j - 1].half();
        for (auto* pyramid : {&xs, &ys, &gs}) {
            (*pyramid)[j] = next;
            next += level[j].size();
        }
    }

    const int count = count_present(present, logits.n);
    const double scale = count == 0 ? 0.0 : 1.0 / (static_cast<double>(count) * logits.s.c);
    const std::ptrdiff_t size = logits.s.plane();
    double total = 0.0;
    for (int i = 0; i < logits.n; ++i) {
        if (!is_present(present, i)) {
            clear_sample(gradient, i);
            continue;
        }
        for (int c = 0; c < logits.s.c; ++c) {
            const T* x = logits.plane(i, c);
            const float* t = target.plane(i, c);
            for (std::ptrdiff_t p = 0; p < size; ++p) {
                check(t[p], i);
                xs[0][p] = static_cast<double>(x[p]);
                ys[0][p] = static_cast<double>(t[p]);
            }
            double product = 1.0;
            std::array<double, most> slope{}; // d log(product) / d m_j
            for (std::size_t j = 0; j < used; ++j) {
                if (j > 0) {
                    halve(xs[j - 1], level[j - 1], xs[j]);
                    halve(ys[j - 1], level[j - 1], ys[j]);
                }
                const double m = similarity(xs[j], ys[j], level[j], j + 1 == used, gradient ? gs[j] : nullptr, next);
                if (used == 1) { // no power: a negative similarity is a number like any other
                    product = m;
                    slope[j] = 1.0;
                    continue;
                }
                const double exponent = ms_ssim_weights[j] / weight_sum;
                product *= std::pow(m > floor ? m : floor, exponent);
                slope[j] = m > floor ? exponent / m : 0.0;
            }
            total += 1.0 - product;
            if (!gradient) continue;
            const double outer = -weight * scale * (used == 1 ? 1.0 : product);
            for (std::size_t j = used; j-- > 0;) {
                for (std::ptrdiff_t p = 0; p < level[j].size(); ++p) gs[j][p] *= outer * slope[j];
                if (j + 1 < used) halve_adjoint(gs[j + 1], level[j], gs[j]);
            }
            for (std::ptrdiff_t p = 0; p < size; ++p) put(gradient.plane(i, c)[p], gs[0][p], mode);
        }
    }
    return total * scale;
}

} // namespace umsrep::loss::detail
