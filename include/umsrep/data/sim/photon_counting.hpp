// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>

#include <umsrep/core/random.hpp>

namespace umsrep::sim {

namespace detail {

/// log k! for k >= 0: exact products below 10, Stirling's series above (relative error below 1e-10).
inline double log_factorial(double k) {
    constexpr std::array factorials{1.0, 1.0, 2.0, 6.0, 24.0, 120.0, 720.0, 5040.0, 40320.0, 362880.0};
    if (k < 10.0) return std::log(factorials[static_cast<std::size_t>(k)]);
    const double inverse = 1.0 / k;
    return (k + 0.5) * std::log(k) - k + 0.5 * std::log(2.0 * std::numbers::pi) +
           inverse * (1.0 / 12.0 - inverse * inverse * (1.0 / 360.0 - inverse * inverse / 1260.0));
}

inline double uniform_53(random_stream& draw) {
    const std::uint64_t high = draw() >> 5, low = draw() >> 6;
    return (static_cast<double>((high << 26) | low) + 0.5) * 0x1p-53;
}

} // namespace detail

/// A Poisson variate of mean `mean` >= 0, exact at any mean. Below 10 by inversion; from 10 on by transformed rejection (PTRS:
/// Hoermann, Insurance: Mathematics and Economics 12, 1993, 39-45).
inline double poisson(double mean, random_stream& draw) {
    if (!(mean > 0.0)) return 0.0;
    if (mean < 10.0) {
        double probability = std::exp(-mean), left = detail::uniform_53(draw);
        int k = 0;
        while (left > probability && k < 200) { // P(k >= 200 | mean < 10) < 1e-150
            left -= probability;
            probability *= mean / ++k;
        }
        return k;
    }
    const double b = 0.931 + 2.53 * std::sqrt(mean), a = -0.059 + 0.02483 * b;
    const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), squeeze = 0.9277 - 3.6224 / (b - 2.0);
    for (;;) {
        const double u = detail::uniform_53(draw) - 0.5, v = detail::uniform_53(draw);
        const double us = 0.5 - std::abs(u);
        const double k = std::floor((2.0 * a / us + b) * u + mean + 0.43);
        if (us >= 0.07 && v <= squeeze) return k;
        if (k < 0.0 || (us < 0.013 && v > us)) continue;
        if (std::log(v * inverse_alpha / (a / (us * us) + b)) <= k * std::log(mean) - mean - detail::log_factorial(k)) return k;
    }
}

/// What a detector pixel reads when `expected` photons are due: N = Poisson(expected) + Normal(0, electronic).
inline double detect(double expected, double electronic, random_stream& draw) {
    return poisson(expected, draw) + electronic * static_cast<double>(draw.normal());
}

/// Log signal -log(N / N0) of a reading; a reading below one photon counts as one, since the logarithm needs something.
inline double log_signal(double reading, double incident) { return -std::log(std::max(1.0, reading) / incident); }

} // namespace umsrep::sim
