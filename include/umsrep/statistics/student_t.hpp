// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <limits>
#include <string>

#include <umsrep/core/error.hpp>
#include <umsrep/statistics/incomplete_beta.hpp>

namespace umsrep::statistics {

/// P(T <= t) of Student's distribution with `freedom` > 0 degrees of freedom (not necessarily whole): half of
/// I_{f/(f+t^2)}(f/2, 1/2) in the tail, Abramowitz and Stegun 26.7.1. @throws option_error
inline double student_t_cdf(double t, double freedom) {
    if (!(freedom > 0.0)) throw option_error("Student's distribution", "positive degrees of freedom", std::to_string(freedom));
    const double sum = freedom + t * t;
    const double tail = std::isinf(sum) ? 0.0 : 0.5 * incomplete_beta(0.5 * freedom, 0.5, freedom / sum, t * t / sum);
    return t < 0.0 ? tail : 1.0 - tail;
}

/// The t with P(T <= t) = p, by bisection to the last bit; infinite for p = 0 and 1. @throws option_error unless 0 <= p <= 1 and
/// freedom > 0
inline double student_t_quantile(double p, double freedom) {
    if (!(p >= 0.0 && p <= 1.0)) throw option_error("Student's quantile", "a probability in [0, 1]", std::to_string(p));
    if (p > 0.5) return -student_t_quantile(1.0 - p, freedom);
    if (p == 0.0) return -std::numeric_limits<double>::infinity();
    if (p == 0.5) return 0.0;
    double low = -1.0, high = 0.0;
    while (student_t_cdf(low, freedom) > p) {
        high = low;
        low *= 2.0;
    }
    for (;;) {
        const double middle = 0.5 * (low + high);
        if (middle <= low || middle >= high) return high;
        (student_t_cdf(middle, freedom) < p ? low : high) = middle;
    }
}

} // namespace umsrep::statistics
