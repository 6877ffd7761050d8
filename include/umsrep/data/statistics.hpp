// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/core/random.hpp>
#include <umsrep/data/dataset.hpp>

namespace umsrep::data {

/// What the grey values of a set of images are like, per channel; all pixels of all images count alike. It travels with an encoder, so
/// that images in another grey scale are noticed before they are fed to it.
struct image_statistics {
    std::size_t images = 0;
    std::vector<double> mean, deviation, least, greatest;
    friend bool operator==(const image_statistics&, const image_statistics&) = default;
};

/// Reads every sample once; sample i from the stream (`random`, "statistics", i). The deviation is that of the population.
/// Throws shape_mismatch when images differ in their number of channels, error when a pixel is not finite.
template <dataset D>
image_statistics statistics_of(const D& samples, seed random = seed{0}) {
    image_statistics result;
    std::vector<double> count, squares; // Welford's sums, image by image: Chan, Golub, LeVeque, 1983
    for (std::size_t i = 0; i < samples.size(); ++i) {
        random_stream stream{random, "statistics", i};
        const sample s = samples.get(i, stream);
        const shape image = shape_of(s.image);
        const auto channels = static_cast<std::size_t>(image.c);
        if (i == 0) {
            for (auto* sums : {&count, &squares, &result.mean}) sums->assign(channels, 0);
            result.least.assign(channels, std::numeric_limits<double>::infinity());
            result.greatest.assign(channels, -std::numeric_limits<double>::infinity());
        }
        if (channels != count.size())
            throw shape_mismatch("sample '" + s.id + "': image", std::to_string(count.size()) + " channels", std::to_string(channels));
        for (std::size_t c = 0; c < channels; ++c) {
            const float* const pixels = s.image.data() + static_cast<std::ptrdiff_t>(c) * image.plane();
            const auto n = static_cast<double>(image.plane());
            double sum = 0, around = 0;
            for (std::ptrdiff_t k = 0; k < image.plane(); ++k) {
                sum += pixels[k];
                result.least[c] = std::min(result.least[c], static_cast<double>(pixels[k]));
                result.greatest[c] = std::max(result.greatest[c], static_cast<double>(pixels[k]));
            }
            if (!std::isfinite(sum)) throw error("image '" + s.id + "'", "finite values", "NaN or infinity");
            const double mean = sum / n, apart = mean - result.mean[c], all = count[c] + n;
            for (std::ptrdiff_t k = 0; k < image.plane(); ++k) around += (pixels[k] - mean) * (pixels[k] - mean);
            squares[c] += around + apart * apart * count[c] * n / all;
            result.mean[c] += apart * n / all;
            count[c] = all;
        }
        ++result.images;
    }
    for (std::size_t c = 0; c < count.size(); ++c) result.deviation.push_back(std::sqrt(squares[c] / count[c]));
    return result;
}

} // namespace umsrep::data
