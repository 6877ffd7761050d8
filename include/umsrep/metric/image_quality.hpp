// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/metric/classification.hpp>

namespace umsrep::metric {

/// Mean squared error over all pixels. NaN for no pixels. @throws shape_mismatch
inline double mean_squared_error(std::span<const float> image, std::span<const float> reference) {
    if (image.size() != reference.size())
        throw shape_mismatch("image", std::to_string(reference.size()) + " pixels, as the reference", std::to_string(image.size()));
    double sum = 0.0;
    for (std::size_t i = 0; i < image.size(); ++i) {
        const double difference = static_cast<double>(image[i]) - static_cast<double>(reference[i]);
        sum += difference * difference;
    }
    return ratio(sum, static_cast<double>(image.size()));
}

/// Decibels of a mean squared error: 10 log10(range^2 / mse); +infinity for 0, NaN for NaN.
inline double psnr_of(double mse, double range = 1.0) {
    return mse == 0.0 ? std::numeric_limits<double>::infinity() : 10.0 * std::log10(range * range / mse);
}

/// Peak signal-to-noise ratio in dB of an image against its reference, both of value range `range`; equal images give +infinity.
/// @throws shape_mismatch
inline double psnr(std::span<const float> image, std::span<const float> reference, double range = 1.0) {
    return psnr_of(mean_squared_error(image, reference), range);
}

namespace detail {

inline constexpr std::size_t ssim_window = 11;

/// The 11 taps of a Gaussian of sigma 1.5, summing to 1.
inline std::array<double, ssim_window> ssim_taps() {
    std::array<double, ssim_window> taps{};
    double sum = 0.0;
    for (std::size_t i = 0; i < ssim_window; ++i) {
        const double d = (static_cast<double>(i) - 5.0) / 1.5;
        sum += taps[i] = std::exp(-0.5 * d * d);
    }
    for (double& tap : taps) tap /= sum;
    return taps;
}

} // namespace detail

/// Structural similarity of one grey image (H, W) with its reference: the mean over every 11x11 Gaussian window (sigma 1.5,
/// K1 = .01, K2 = .03, population covariance) that lies wholly inside. Source: Wang et al., IEEE Trans. Image Process. 13, 2004,
/// 600-612. Equal to skimage.metrics.structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
/// data_range=range), which likewise leaves a border of 5 pixels out of the mean.
/// @throws shape_mismatch when sizes differ or a side is shorter than 11
inline double ssim(std::span<const float> image, std::span<const float> reference, std::size_t height, std::size_t width,
                   double range = 1.0) {
    constexpr std::size_t window = detail::ssim_window;
    const auto by = [](std::size_t h, std::size_t w) { return std::to_string(h) + "x" + std::to_string(w); };
    if (height < window || width < window) throw shape_mismatch("ssim", "an image of at least 11x11", by(height, width));
    for (const std::size_t size : {image.size(), reference.size()})
        if (size != height * width) throw shape_mismatch("ssim", by(height, width) + " pixels", std::to_string(size));

    enum moment { mean_a, mean_b, square_a, square_b, product, moments };
    using row_of_moments = std::array<double, moments>;
    const auto taps = detail::ssim_taps();
    const double c1 = 0.01 * range * 0.01 * range, c2 = 0.03 * range * 0.03 * range;
    const std::size_t columns = width - window + 1, rows = height - window + 1;

    std::vector<row_of_moments> vertical(width); // the five moments of a row, filtered downwards only
    double sum = 0.0;
    for (std::size_t y = 0; y < rows; ++y) {
        for (std::size_t x = 0; x < width; ++x) {
            row_of_moments v{};
            for (std::size_t t = 0; t < window; ++t) {
                const double a = static_cast<double>(image[(y + t) * width + x]);
                const double b = static_cast<double>(reference[(y + t) * width + x]);
                const double wa = taps[t] * a, wb = taps[t] * b;
                v[mean_a] += wa;
                v[mean_b] += wb;
                v[square_a] += wa * a;
                v[square_b] += wb * b;
                v[product] += wa * b;
            }
            vertical[x] = v;
        }
        for (std::size_t x = 0; x < columns; ++x) {
            row_of_moments m{};
            for (std::size_t t = 0; t < window; ++t)
                for (std::size_t k = 0; k < moments; ++k) m[k] += taps[t] * vertical[x + t][k];
            const double variance_a = m[square_a] - m[mean_a] * m[mean_a];
            const double variance_b = m[square_b] - m[mean_b] * m[mean_b];
            const double covariance = m[product] - m[mean_a] * m[mean_b];
            sum += (2.0 * m[mean_a] * m[mean_b] + c1) * (2.0 * covariance + c2) /
                   ((m[mean_a] * m[mean_a] + m[mean_b] * m[mean_b] + c1) * (variance_a + variance_b + c2));
        }
    }
    return sum / static_cast<double>(rows * columns);
}

/// PSNR and SSIM of a set of images against their references. Both ways of averaging PSNR are given, since they differ: *mean* of
/// the images' dB (the usual one; +infinity as soon as one image is exact) and *pooled*, the dB of the mean squared error over
/// all pixels. SSIM is averaged over channels and images.
class image_quality {
public:
    /// A batch (N, channels, H, W) of values in a range of width `range`. Nothing is added when anything is
    /// wrong. @throws shape_mismatch
    void add(std::span<const float> images, std::span<const float> references, std::size_t height, std::size_t width,
             std::size_t channels = 1, double range = 1.0) {
        const std::size_t plane = height * width, pixels = plane * channels;
        if (images.size() != references.size() || pixels == 0 || images.size() % pixels != 0)
            throw shape_mismatch("images", std::to_string(references.size()) + " pixels, a multiple of " + std::to_string(pixels),
                                 std::to_string(images.size()));
        std::vector<double> psnr_batch, ssim_batch;
        double squared = 0.0;
        for (std::size_t first = 0; first < images.size(); first += pixels) {
            const double mse = mean_squared_error(images.subspan(first, pixels), references.subspan(first, pixels));
            double similarity = 0.0;
            for (std::size_t c = 0; c < channels; ++c)
                similarity += ssim(images.subspan(first + c * plane, plane), references.subspan(first + c * plane, plane), height,
                                   width, range);
            squared += mse / (range * range) * static_cast<double>(pixels);
            psnr_batch.push_back(psnr_of(mse, range));
            ssim_batch.push_back(similarity / static_cast<double>(channels));
        }
        psnr_.insert(psnr_.end(), psnr_batch.begin(), psnr_batch.end());
        ssim_.insert(ssim_.end(), ssim_batch.begin(), ssim_batch.end());
        squared_ += squared;
        pixels_ += images.size();
    }

    /// One entry per image in the order added.
    const std::vector<double>& psnr_per_image() const { return psnr_; }
    const std::vector<double>& ssim_per_image() const { return ssim_; }

    /// NaN while no image was added; so are the two below.
    double mean_psnr() const { return mean(psnr_); }
    double pooled_psnr() const { return psnr_of(ratio(squared_, static_cast<double>(pixels_))); }
    double mean_ssim() const { return mean(ssim_); }

private:
    static double mean(const std::vector<double>& values) {
        double sum = 0.0;
        for (const double value : values) sum += value;
        return ratio(sum, static_cast<double>(values.size()));
    }

    std::vector<double> psnr_, ssim_;
    double squared_ = 0.0;
    std::size_t pixels_ = 0;
};

} // namespace umsrep::metric
