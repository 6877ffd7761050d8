// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <span>

#include <umsrep/statistics/interval.hpp>
#include <umsrep/statistics/moments.hpp>
#include <umsrep/statistics/student_t.hpp>

namespace umsrep::statistics {

/// A mean over few independent runs, such as seeds, and what it is worth.
struct mean_estimate {
    std::size_t count = 0;
    double mean = unknown;
    double standard_deviation = unknown;
    interval confidence{};
};

/// mean -+ t sd / sqrt(n), Student's t with n - 1 degrees of freedom. Of one value only the mean is known; of none nothing is.
/// @throws option_error unless 0 < confidence < 1
inline mean_estimate mean_interval(std::span<const double> values, double confidence = 0.95) {
    const double tail = tail_of(confidence);
    mean_estimate result{values.size(), mean(values), standard_deviation(values), {}};
    if (values.size() < 2) return result;
    const auto n = static_cast<double>(values.size());
    const double half = -student_t_quantile(tail, n - 1.0) * result.standard_deviation / std::sqrt(n);
    result.confidence = {result.mean - half, result.mean + half};
    return result;
}

} // namespace umsrep::statistics
