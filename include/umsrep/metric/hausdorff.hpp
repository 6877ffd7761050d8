// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/metric/overlap.hpp>
#include <umsrep/statistics/quantile.hpp>

namespace umsrep::metric {

struct hausdorff_options {
    double percentile = 95;   ///< of the distances; 100 is the Hausdorff distance proper
    double pixel_height = 1;  ///< in the unit of the result, such as mm
    double pixel_width = 1;
    float threshold = 0.5f;   ///< a predicted pixel is in when it is above; for logits pass 0
};

namespace detail {

/// Pixels of a mask (H, W) with a 4-neighbour outside of it or of the image, row by row.
inline std::vector<char> boundary_of(const std::vector<char>& mask, std::size_t height, std::size_t width) {
    std::vector<char> result(mask.size(), 0);
    for (std::size_t y = 0; y < height; ++y)
        for (std::size_t x = 0; x < width; ++x) {
            const std::size_t i = y * width + x;
            const bool inside = y > 0 && y + 1 < height && x > 0 && x + 1 < width && mask[i - width] && mask[i + width] &&
                                mask[i - 1] && mask[i + 1];
            result[i] = mask[i] && !inside;
        }
    return result;
}

/// The distance of each pixel of `from` to the nearest one of `to`, ascending: along the columns first, then over a row's columns,
/// which is exact and H W + |from| W steps, whatever the masks.
inline std::vector<double> nearest_distances(const std::vector<char>& from, const std::vector<char>& to, std::size_t height,
                                             std::size_t width, double pixel_height, double pixel_width) {
    std::vector<double> rows(from.size(), std::numeric_limits<double>::infinity()); // to the nearest of `to` in the same column
    for (std::size_t x = 0; x < width; ++x) {
        for (std::size_t y = 0; y < height; ++y) {
            const std::size_t i = y * width + x;
            if (to[i]) rows[i] = 0.0;
            else if (y > 0) rows[i] = rows[i - width] + 1.0;
        }
        for (std::size_t y = height; y-- > 1;) {
            const std::size_t i = y * width + x;
            rows[i - width] = std::min(rows[i - width], rows[i] + 1.0);
        }
    }
    std::vector<double> distances;
    for (std::size_t i = 0; i < from.size(); ++i) {
        if (!from[i]) continue;
        const std::size_t row = i - i % width;
        double least = std::numeric_limits<double>::infinity();
        for (std::size_t x = 0; x < width; ++x) {
            const double dy = rows[row + x] * pixel_height;
            const double dx = (static_cast<double>(x) - static_cast<double>(i % width)) * pixel_width;
            least = std::min(least, dy * dy + dx * dx);
        }
        distances.push_back(std::sqrt(least));
    }
    std::ranges::sort(distances);
    return distances;
}

} // namespace detail

/// Hausdorff distance between the boundaries of a predicted mask and the true one (H, W): the larger of the two directions'
/// percentiles. Two empty masks agree: 0; one empty mask is infinitely far. Source: Huttenlocher et al., IEEE Trans. Pattern Anal.
/// Mach. Intell. 15, 1993, 850-863; percentile per direction as in Maier-Hein et al., Nat. Methods 21, 2024, 195-212.
/// @throws shape_mismatch, option_error for a percentile outside of (0, 100] or a pixel size that is not positive; as `overlap_of`
inline double hausdorff(std::span<const float> predicted, std::span<const float> truth, std::size_t height, std::size_t width,
                        const hausdorff_options& options = {}) {
    if (truth.size() != height * width)
        throw shape_mismatch("true mask", std::to_string(height) + "x" + std::to_string(width) + " pixels", std::to_string(truth.size()));
    if (!(options.percentile > 0.0 && options.percentile <= 100.0))
        throw option_error("percentile", "a number in (0, 100]", std::to_string(options.percentile));
    for (const double size : {options.pixel_height, options.pixel_width})
        if (!(size > 0.0 && std::isfinite(size))) throw option_error("pixel size", "a positive number", std::to_string(size));
    const overlap counts = overlap_of(predicted, truth, options.threshold);
    if (counts.predicted == 0 && counts.truth == 0) return 0.0;
    if (counts.predicted == 0 || counts.truth == 0) return std::numeric_limits<double>::infinity();

    const auto boundary = [&](std::span<const float> image, float threshold) {
        std::vector<char> mask(image.size(), 0);
        std::ranges::transform(image, mask.begin(), [&](float value) { return static_cast<char>(value > threshold); });
        return detail::boundary_of(mask, height, width);
    };
    const auto a = boundary(predicted, options.threshold), b = boundary(truth, 0.5f);
    const auto directed = [&](const std::vector<char>& from, const std::vector<char>& to) {
        return statistics::quantile_of_sorted(
            detail::nearest_distances(from, to, height, width, options.pixel_height, options.pixel_width), options.percentile / 100.0);
    };
    return std::max(directed(a, b), directed(b, a));
}

} // namespace umsrep::metric
