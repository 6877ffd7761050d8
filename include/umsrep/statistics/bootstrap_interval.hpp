// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <span>

#include <umsrep/statistics/interval.hpp>
#include <umsrep/statistics/moments.hpp>
#include <umsrep/statistics/normal.hpp>
#include <umsrep/statistics/quantile.hpp>

namespace umsrep::statistics {

/// The middle `confidence` of a bootstrap distribution, given in ascending order. NaN of no values.
/// Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13. @throws option_error unless 0 < confidence < 1
inline interval percentile_interval(std::span<const double> ascending, double confidence = 0.95) {
    const double tail = tail_of(confidence);
    return {quantile_of_sorted(ascending, tail), quantile_of_sorted(ascending, 1.0 - tail)};
}

/// The bias-corrected and accelerated interval: percentiles moved by z0, the share of the distribution below `estimate` (equal
/// values count half) as a normal quantile, and by the acceleration, the skewness of the `jackknife` values (one unit left out
/// each) / 6. As scipy.stats.bootstrap. A jackknife of equal values has acceleration 0. NaN when the whole distribution lies on one
/// side of the estimate, or when a jackknife value is NaN.
/// Source: Efron, J. Am. Stat. Assoc. 82, 1987, 171-185; Efron and Tibshirani, 1993, eqs. 14.10, 14.14 and 14.15.
/// @throws option_error unless 0 < confidence < 1
inline interval bca_interval(std::span<const double> ascending, double estimate, std::span<const double> jackknife,
                             double confidence = 0.95) {
    const double tail = tail_of(confidence);
    double below = 0.0;
    for (const double value : ascending) below += value < estimate ? 1.0 : value == estimate ? 0.5 : 0.0;
    const double share = below / static_cast<double>(ascending.size());
    if (!(share > 0.0 && share < 1.0)) return {};

    const double centre = mean(jackknife);
    double squares = 0.0, cubes = 0.0;
    for (const double value : jackknife) {
        const double d = centre - value;
        squares += d * d;
        cubes += d * d * d;
    }
    const double acceleration = squares == 0.0 ? 0.0 : cubes / (6.0 * squares * std::sqrt(squares));
    if (std::isnan(acceleration)) return {};

    const double z0 = normal_quantile(share);
    const auto end = [&](double p) {
        const double z = z0 + normal_quantile(p);
        return quantile_of_sorted(ascending, normal_cdf(z0 + z / (1.0 - acceleration * z)));
    };
    return {end(tail), end(1.0 - tail)};
}

} // namespace umsrep::statistics
