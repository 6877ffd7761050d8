// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <Eigen/Core>

#include <umsrep/core/pieces.hpp>
#include <umsrep/core/tensor_view.hpp>
#include <umsrep/loss/detail/check.hpp>
#include <umsrep/loss/detail/gaussian_window.hpp>
#include <umsrep/loss/detail/pack.hpp>

/// Structural similarity of two planes and its derivative, and the pyramid over it. Sources: Wang, Bovik, Sheikh, Simoncelli,
/// "Image quality assessment", IEEE TIP 13(4), 2004 (window, constants); Wang, Simoncelli, Bovik, "Multiscale structural
/// similarity", Asilomar 2003 (scales, weights).
namespace umsrep::loss::detail {

inline constexpr double ssim_c1 = 0.01 * 0.01, ssim_c2 = 0.03 * 0.03; // (K1 L)^2, (K2 L)^2 with L = 1
inline constexpr std::array<double, 5> ms_ssim_weights{0.0448, 0.2856, 0.3001, 0.2363, 0.1333};

/// Height and width of a plane and of its filtered inside, where the window lies wholly on the image.
struct frame {
    int h = 0, w = 0;
    constexpr int inner_h() const { return h - ssim_window + 1; }
    constexpr int inner_w() const { return w - ssim_window + 1; }
    constexpr std::ptrdiff_t size() const { return std::ptrdiff_t{h} * w; }
    constexpr std::ptrdiff_t inner_size() const { return std::ptrdiff_t{inner_h()} * inner_w(); }
    constexpr frame half() const { return {h / 2, w / 2}; }
};

/// The Gaussian along a row of n + 10 elements.
inline void smooth_along(const double* in, std::ptrdiff_t n, double* out) {
    window_rows shifted;
    for (std::size_t k = 0; k < shifted.size(); ++k) shifted[k] = in + k;
    smooth(shifted, n, out);
}

/// Rows y, y + 1, ..., y + 10 of something that is computed row by row; only these are kept.
class row_ring {
public:
    static constexpr std::ptrdiff_t size(std::ptrdiff_t width) { return ssim_window * width; }

    row_ring(double*& memory, std::ptrdiff_t width) : first_{memory}, width_{width} { memory += size(width); }

    double* operator[](int y) const { return first_ + y % ssim_window * width_; }

    /// Rows y to y + 10, `zeros` for those outside [0, height).
    window_rows window(int y, int height, const double* zeros) const {
        window_rows rows;
        for (int k = 0; k < ssim_window; ++k) rows[static_cast<std::size_t>(k)] = y + k >= 0 && y + k < height ? (*this)[y + k] : zeros;
        return rows;
    }

private:
    double* first_;
    std::ptrdiff_t width_;
};

/// Doubles that `similarity` needs: rings of four moments and of three derivatives, and some rows; with the reach of the window more on
/// either side of some of them.
constexpr std::ptrdiff_t similarity_rows(std::ptrdiff_t width) { return 7 * row_ring::size(width) + 8 * (width + 2 * ssim_window); }

/// Mean over the inside of l * cs (`luminance`) or of cs alone, where with Gaussian moments of x and y
///   l  = (2 mx my + C1) / (mx^2 + my^2 + C1),   cs = (2 sxy + C2) / (sxx + syy + C2).
/// Writes d mean / d x to `gradient` unless null. `scratch`: similarity_rows(f.w) doubles.
///
/// One sweep down the image: a row of the image gives a row of smoothed moments eleven rows later, that gives a row of derivatives with
/// respect to the moments, and the smoothing's transpose of these a row of the gradient. So everything between stays in the cache.
template <class T>
T similarity(const T* x, const T* y, frame f, bool luminance, std::type_identity_t<T>* gradient, T* scratch) {
    static_assert(std::is_same_v<T, double>, "a template only because it is compiled where it is used only");
    using values = pack_for<T>;
    using row = Eigen::Map<Eigen::ArrayX<T>>;
    using const_row = Eigen::Map<const Eigen::ArrayX<T>>;
    const std::ptrdiff_t w = f.w, inner = f.inner_w(), reach = ssim_window - 1;
    const row_ring mean_x{scratch, inner}, mean_y{scratch, inner};    // E[x], E[y]
    const row_ring squares{scratch, inner}, product{scratch, inner}; // E[x^2 + y^2], E[xy]
    // Derivatives with respect to E[x], E[x^2], E[xy].
    const std::array<row_ring, 3> slopes{row_ring{scratch, inner}, row_ring{scratch, inner}, row_ring{scratch, inner}};
    const auto take = [&](std::ptrdiff_t n) { return std::exchange(scratch, scratch + n); };
    double *const pixels = take(w), *const mx = take(w), *const my = take(w), *const ss = take(w), *const xy = take(w);
    double* const padded = take(inner + 2 * reach); // a row of derivatives between zeros
    double *const zeros = take(w), *const smoothed = take(w);
    std::fill_n(zeros, w, 0.0);
    std::fill_n(padded, inner + 2 * reach, 0.0);

    double sum = 0.0;
    const double share = 1.0 / static_cast<double>(f.inner_size());
    const auto differentiate_row = [&](int r) { // moments of inner row r, in mx, my, ss, xy
        for (std::ptrdiff_t j = 0; j < inner; j += lanes) {
            const int count = static_cast<int>(std::min<std::ptrdiff_t>(lanes, inner - j));
            const values a = load(mx + j, count), b = load(my + j, count), aa_bb = a * a + b * b;
            const values above = 2.0 * (load(xy + j, count) - a * b) + ssim_c2, below = (load(ss + j, count) - aa_bb) + ssim_c2;
            const values over = 1.0 / below, cs = above * over;
            values l = values::Ones(), l_slope = values::Zero(); // d l / d mx
            if (luminance) {
                const values light = 1.0 / (aa_bb + ssim_c1);
                l = (2.0 * a * b + ssim_c1) * light;
                l_slope = 2.0 * (b - l * a) * light;
            }
            sum += detail::sum(l * cs, count);
            if (gradient == nullptr) continue;
            const values common = share * l * over;
            store(slopes[0][r] + j, share * l_slope * cs + 2.0 * common * (cs * a - b), count, write::replace);
            store(slopes[1][r] + j, -common * cs, count, write::replace);
            store(slopes[2][r] + j, 2.0 * common, count, write::replace);
        }
    };
    const auto put_row = [&](int r) { // row r of the gradient, from inner rows r - 10 to r
        row to{gradient + r * w, w};
        for (std::size_t k = 0; k < slopes.size(); ++k) {
            smooth(slopes[k].window(r - static_cast<int>(reach), f.inner_h(), zeros), inner, padded + reach);
            smooth_along(padded, w, smoothed);
            const const_row part{smoothed, w};
            if (k == 0) to = part;
            else if (k == 1) to += 2.0 * const_row{x + r * w, w} * part;
            else to += const_row{y + r * w, w} * part;
        }
    };

    for (int r = 0; r < f.h; ++r) {
        const const_row xs{x + r * w, w}, ys{y + r * w, w};
        smooth_along(xs.data(), inner, mean_x[r]);
        smooth_along(ys.data(), inner, mean_y[r]);
        row{pixels, w} = xs * xs + ys * ys;
        smooth_along(pixels, inner, squares[r]);
        row{pixels, w} = xs * ys;
        smooth_along(pixels, inner, product[r]);
        const int done = r - static_cast<int>(reach);
        if (done < 0) continue;
        smooth(mean_x.window(done, f.h, zeros), inner, mx);
        smooth(mean_y.window(done, f.h, zeros), inner, my);
        smooth(squares.window(done, f.h, zeros), inner, ss);
        smooth(product.window(done, f.h, zeros), inner, xy);
        differentiate_row(done);
        if (gradient != nullptr) put_row(done);
    }
    if (gradient != nullptr)
        for (int r = f.inner_h(); r < f.h; ++r) put_row(r);
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

/// Doubles that one thread needs for a plane: three pyramids (at most 4/3 of a plane each) and the rows of `similarity`.
constexpr std::size_t similarity_scratch(shape s) { return static_cast<std::size_t>(4 * s.plane() + similarity_rows(s.w)); }

/// Doubles that `similarity_over_present` needs: those of every thread, and a value for every plane.
constexpr std::size_t similarity_scratch(int n, shape s, int threads) {
    return static_cast<std::size_t>(threads) * similarity_scratch(s) + static_cast<std::size_t>(n) * static_cast<std::size_t>(s.c);
}

/// Refuses images that are too small for `scales`, naming the smallest side that would do.
inline void check_similarity(std::string_view loss, shape s, int scales) {
    const int smallest = ssim_window << (scales - 1);
    if (std::min(s.h, s.w) < smallest)
        throw shape_mismatch(
            std::string{loss} + " image",
            "a smallest side of at least " + text(smallest) + " for " + text(scales) + (scales == 1 ? " scale" : " scales"),
            text(s.h) + " x " + text(s.w));
}

/// 1 - prod_j m_j^w_j of planes: m_j the mean contrast-structure of scale j, of the coarsest the mean similarity, w_j Wang's weights of
/// the scales used, divided by their sum. One scale is plain SSIM. A scale's mean counts as `floor` when it is below.
class pyramid {
public:
    /// `scratch`: similarity_scratch(s) doubles.
    pyramid(int scales, double floor, shape s, double* scratch) : used_{static_cast<std::size_t>(scales)}, floor_{floor} {
        for (std::size_t j = 0; j < used_; ++j) {
            weight_sum_ += ms_ssim_weights[j];
            level_[j] = j == 0 ? frame{s.h, s.w} : level_[j - 1].half();
            for (auto* values : {&xs_, &ys_, &gs_}) (*values)[j] = std::exchange(scratch, scratch + level_[j].size());
        }
        rows_ = scratch;
    }

    /// The loss of a plane. Writes `weight` times its slope to `gradient` unless null.
    template <class T>
    double operator()(const T* x, const float* t, double weight, T* gradient) {
        std::copy_n(x, level_[0].size(), xs_[0]);
        std::copy_n(t, level_[0].size(), ys_[0]);
        double product = 1.0;
        std::array<double, most> slope{}; // d log(product) / d m_j
        for (std::size_t j = 0; j < used_; ++j) {
            if (j > 0) {
                halve(xs_[j - 1], level_[j - 1], xs_[j]);
                halve(ys_[j - 1], level_[j - 1], ys_[j]);
            }
            const double m = similarity(xs_[j], ys_[j], level_[j], j + 1 == used_, gradient != nullptr ? gs_[j] : nullptr, rows_);
            if (used_ == 1) { // no power: a negative similarity is a number like any other
                product = m;
                slope[j] = 1.0;
                continue;
            }
            const double exponent = ms_ssim_weights[j] / weight_sum_;
            product *= std::isnan(m) ? m : std::pow(m > floor_ ? m : floor_, exponent);
            slope[j] = m > floor_ ? exponent / m : 0.0;
        }
        if (gradient != nullptr) {
            const double outer = -weight * (used_ == 1 ? 1.0 : product);
            for (std::size_t j = used_; j-- > 0;) {
                std::for_each(gs_[j], gs_[j] + level_[j].size(), [by = outer * slope[j]](double& g) { g *= by; });
                if (j + 1 < used_) halve_adjoint(gs_[j + 1], level_[j], gs_[j]);
            }
            std::transform(gs_[0], gs_[0] + level_[0].size(), gradient, [](double g) { return static_cast<T>(g); });
        }
        return 1.0 - product;
    }

private:
    static constexpr std::size_t most = ms_ssim_weights.size();
    std::size_t used_;
    double floor_, weight_sum_ = 0.0;
    std::array<frame, most> level_{};
    std::array<double*, most> xs_{}, ys_{}, gs_{};
    double* rows_;
};

/// The mean of the loss of `pyramid` over the channels of the present samples, a plane for each task; `weight` is that of the gradient.
template <class T>
double similarity_over_present(const arguments<T>& a, int scales, double floor, double weight, finite rule) {
    const double share = a.share(a.logits.s.c);
    const int planes = a.logits.n * a.logits.s.c;
    double* const losses = a.room.scratch.data();
    target_check<T, finite> check{a, rule};
    for_tasks(a.room.pool, planes, [&](int task, int worker) {
        const int sample = task / a.logits.s.c, channel = task % a.logits.s.c;
        T* const gradient = a.gradient ? a.gradient.plane(sample, channel) : nullptr;
        const std::ptrdiff_t size = a.logits.s.plane();
        losses[task] = 0.0;
        if (!a.has(sample)) {
            if (gradient != nullptr) std::fill_n(gradient, size, T{0});
        } else if (check.passes(sample, channel * size, (channel + 1) * size)) {
            pyramid p{scales, floor, a.logits.s, losses + planes + static_cast<std::size_t>(worker) * similarity_scratch(a.logits.s)};
            losses[task] = p(a.logits.plane(sample, channel), a.target.plane(sample, channel), weight * share, gradient);
        }
    });
    check.done();
    double total = 0.0;
    for (int i = 0; i < planes; ++i) total += losses[i];
    return total * share;
}

} // namespace umsrep::loss::detail
