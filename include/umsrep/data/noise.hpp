// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

#include <umsrep/core/error.hpp>
#include <umsrep/core/random.hpp>
#include <umsrep/data/compute.hpp>
#include <umsrep/data/sample.hpp>

namespace umsrep::data {

/// A fixed value, or one drawn per sample uniformly from low to high.
struct range {
    float low, high;
    constexpr range(float fixed) : low{fixed}, high{fixed} {}
    constexpr range(float from, float to) : low{from}, high{to} {}
    constexpr float draw(random_stream& random) const { return low == high ? low : random.uniform(low, high); }
};

/// log(n!). Not std::lgamma, which writes a global variable. Stirling's series, relative error below 1e-12 from n = 10 on.
inline double log_factorial(double n) {
    if (n < 10) {
        double product = 1;
        for (double k = 2; k <= n; ++k) product *= k;
        return std::log(product);
    }
    const double x = n + 1, r = 1 / (x * x);
    return (x - 0.5) * std::log(x) - x + 0.91893853320467274178 + (1.0 / 12 - r * (1.0 / 360 - r * (1.0 / 1260 - r / 1680))) / x;
}

/// Poisson-distributed count. Small means: inversion by sequential search; from 10 on: transformed rejection, PTRS of Hörmann,
/// "The transformed rejection method for generating Poisson random variables", Insurance: Mathematics and Economics 12, 1993.
inline double poisson(random_stream& random, double mean) {
    const auto uniform = [&] { return (static_cast<double>(random()) + 0.5) * 0x1p-32; };
    if (!(mean > 0)) return 0;
    if (mean < 10) {
        double probability = std::exp(-mean), rest = uniform() - probability;
        int count = 0;
        for (; rest > 0 && count < 100; rest -= probability) probability *= mean / ++count;
        return count;
    }
    const double b = 0.931 + 2.53 * std::sqrt(mean), a = -0.059 + 0.02483 * b;
    const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), accepted_below = 0.9277 - 3.6224 / (b - 2);
    while (true) {
        const double u = uniform() - 0.5, v = uniform(), distance = 0.5 - std::abs(u);
        const double count = std::floor((2 * a / distance + b) * u + mean + 0.43);
        if (distance >= 0.07 && v <= accepted_below) return count;
        if (count < 0 || (distance < 0.013 && v > distance)) continue;
        if (std::log(v * inverse_alpha / (a / (distance * distance) + b)) <=
            count * std::log(mean) - mean - log_factorial(count)) {
            return count;
        }
    }
}

/// Makes a denoising pair: the image becomes the target of `head`, and y = x + sigma n its input, n standard normal per pixel.
struct gaussian_noise {
    static constexpr bool records = true;
    range sigma = 0.1f;           ///< in units of the full grey scale
    std::string head = "denoise"; ///< empty: noise as augmentation, no target is set
    float probability = 1;        ///< otherwise the sample stays as it is, without a target for the head
    bool clamped = false;         ///< cut y to [0, 1], as a stored image would be

    void operator()(sample& s, random_stream& random) const {
        if (random.uniform() >= probability) return;
        if (s.changes.noise || !s.records) compute(s.image, s.changes);
        if (!head.empty()) s.set_to_image(head);
        const float deviation = sigma.draw(random);
        if (!s.records) return add_gaussian_noise(s.image, deviation, clamped, random);
        s.changes.noise = {deviation, clamped, random};
        random.seek(random.position() + 2 * std::uint64_t{s.image.size()}); // what it will have drawn
    }
};

/// The same with the noise of a detector: y = Poisson(photons x) / photons + sigma n. Source: Foi et al., "Practical
/// Poissonian-Gaussian noise modeling and fitting for single-image raw-data", IEEE Trans. Image Processing 17(10), 2008.
struct poisson_gaussian_noise {
    range photons = {50.0f, 1000.0f}; ///< counted in a pixel of value 1
    range sigma = 0.02f;              ///< of the electronics, in units of the full grey scale
    std::string head = "denoise";     ///< empty: noise as augmentation, no target is set
    float probability = 1;            ///< otherwise the sample stays as it is, without a target for the head
    bool clamped = false;             ///< cut y to [0, 1], as a stored image would be

    void operator()(sample& s, random_stream& random) const {
        if (random.uniform() >= probability) return;
        compute(s.image, s.changes); // how many numbers are drawn depends on the pixels
        if (!head.empty()) s.set(head, s.image, label_kind::image);
        const float count = photons.draw(random), deviation = sigma.draw(random);
        for (std::size_t i = 0; i < s.image.size(); ++i) {
            float& v = s.image.data()[i];
            v = static_cast<float>(poisson(random, static_cast<double>(count) * v) / count) + deviation * random.normal();
            if (clamped) v = std::clamp(v, 0.0f, 1.0f);
        }
    }
};

} // namespace umsrep::data
