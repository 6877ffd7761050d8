// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <span>

#include <umsrep/statistics/interval.hpp>

namespace umsrep::statistics {

/// The mean; NaN of no values.
inline double mean(std::span<const double> values) {
    double sum = 0.0;
    for (const double value : values) sum += value;
    return values.empty() ? unknown : sum / static_cast<double>(values.size());
}

/// The unbiased variance, over n - 1; NaN of fewer than two values.
inline double variance(std::span<const double> values) {
    if (values.size() < 2) return unknown;
    const double centre = mean(values);
    double sum = 0.0;
    for (const double value : values) sum += (value - centre) * (value - centre);
    return sum / static_cast<double>(values.size() - 1);
}

/// The square root of `variance`.
inline double standard_deviation(std::span<const double> values) { return std::sqrt(variance(values)); }

} // namespace umsrep::statistics
