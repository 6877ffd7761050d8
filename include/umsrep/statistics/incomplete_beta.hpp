// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include <umsrep/core/error.hpp>

namespace umsrep::statistics {

namespace detail {

/// What Stirling's formula lacks: log Gamma(a) - ((a - 1/2) log a - a + log(2 pi) / 2), for a > 0. The series DLMF 5.11.1 from 10 on
/// (error below 1e-15), the recurrence Gamma(a + 1) = a Gamma(a) down to there.
inline double stirling_error(double a) {
    if (a < 10.0) return stirling_error(a + 1.0) + (a + 0.5) * std::log1p(1.0 / a) - 1.0;
    const double s = 1.0 / (a * a);
    return (1.0 / 12 - s * (1.0 / 360 - s * (1.0 / 1260 - s * (1.0 / 1680 - s * (1.0 / 1188 - s * 691.0 / 360360))))) / a;
}

/// x^a y^b / B(a, b) for y = 1 - x. Stirling's formula is divided out by hand, as in Loader, "Fast and accurate computation of
/// binomial probabilities", 2000: the logarithms of gamma functions would cancel digits where a or b is large.
inline double beta_power(double a, double b, double x, double y) {
    const double apart = b * x - a * y; // 0 at the mode
    // log(x (a + b) / a) with apart / a = x (a + b) / a - 1, by what keeps its digits.
    const auto log_share = [&](double part, double weight, double excess) {
        return std::abs(excess) < 0.5 * weight ? std::log1p(excess / weight) : std::log(part * ((a + b) / weight));
    };
    const double exponent = a * log_share(x, a, apart) + b * log_share(y, b, -apart) + stirling_error(a + b) - stirling_error(a) -
                            stirling_error(b);
    return std::sqrt(a / (a + b) * b / (2.0 * std::numbers::pi)) * std::exp(exponent);
}

/// I_x(a, b) by its continued fraction, DLMF 8.17.22, evaluated by Lentz's method; converges fast for x < (a + 1) / (a + b + 2).
inline double beta_fraction(double a, double b, double x, double y) {
    constexpr double least = 1e-300, accuracy = 1e-16;
    double c = 1.0, d = 1.0 / std::max(1.0 - (a + b) * x / (a + 1.0), least), fraction = d;
    for (int m = 1; m <= 100'000; ++m) { // about sqrt(a + b) are needed
        const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double change = 1.0;
        for (const double term : {even, odd}) {
            d = 1.0 + term * d;
            c = 1.0 + term / c;
            d = 1.0 / (std::abs(d) < least ? least : d);
            if (std::abs(c) < least) c = least;
            change = c * d;
            fraction *= change;
        }
        if (std::abs(change - 1.0) <= 4 * accuracy) return beta_power(a, b, x, y) * fraction / a;
    }
    throw error("incomplete beta function", "convergence", "none for a = " + std::to_string(a) + ", b = " + std::to_string(b));
}

} // namespace detail

/// The regularised incomplete beta function I_x(a, b) for a, b > 0, given x in [0, 1] and its complement y = 1 - x, which a caller
/// may know to more digits. Relative error below 1e-12 for values that are not tiny. @throws option_error for other arguments
inline double incomplete_beta(double a, double b, double x, double y) {
    if (!(a > 0.0 && b > 0.0)) throw option_error("incomplete beta function", "a, b > 0", std::to_string(a) + ", " + std::to_string(b));
    if (!(x >= 0.0 && x <= 1.0 && y >= 0.0 && y <= 1.0))
        throw option_error("incomplete beta function", "x in [0, 1]", std::to_string(x));
    if (x == 0.0) return 0.0;
    if (y == 0.0) return 1.0;
    return x < (a + 1.0) / (a + b + 2.0) ? detail::beta_fraction(a, b, x, y) : 1.0 - detail::beta_fraction(b, a, y, x);
}

} // namespace umsrep::statistics
