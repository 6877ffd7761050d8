// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/statistics/interval.hpp>
#include <umsrep/statistics/moments.hpp>
#include <umsrep/statistics/normal.hpp>
#include <umsrep/statistics/student_t.hpp>

namespace umsrep::statistics {

/// Agreement of a measurement with its reference, in the unit of both.
struct agreement {
    std::size_t count = 0;
    double bias = unknown;               ///< mean of measured - reference
    double standard_deviation = unknown; ///< of measured - reference
    interval limits{};                     ///< of agreement: bias -+ 1.96 standard deviations, within which 95 % of differences lie
    interval bias_confidence{};
    interval lower_limit_confidence{};
    interval upper_limit_confidence{};
};

/// Bias and limits of agreement of N pairs, each with its confidence interval: Student's t with n - 1 degrees of freedom times
/// s / sqrt(n) and s sqrt(1/n + z^2 / (2 (n - 1))). `confidence` is both the share within the limits and that of the intervals.
/// Of fewer than two pairs only the bias is known. Pairs are taken as independent.
/// Source: Bland and Altman, Stat. Methods Med. Res. 8, 1999, 135-160, section 2.
/// @throws shape_mismatch, error for a NaN, option_error unless 0 < confidence < 1
inline agreement bland_altman(std::span<const double> measured, std::span<const double> reference, double confidence = 0.95) {
    const double tail = tail_of(confidence);
    if (measured.size() != reference.size())
        throw shape_mismatch("measured values", std::to_string(reference.size()), std::to_string(measured.size()));
    std::vector<double> differences(measured.size());
    for (std::size_t i = 0; i < measured.size(); ++i) {
        differences[i] = measured[i] - reference[i];
        if (std::isnan(differences[i])) throw error("difference from the reference", "a number", "NaN");
    }
    agreement result{.count = differences.size(), .bias = mean(differences), .standard_deviation = standard_deviation(differences)};
    if (differences.size() < 2) return result;

    const auto n = static_cast<double>(differences.size());
    const double z = -normal_quantile(tail), t = -student_t_quantile(tail, n - 1.0), s = result.standard_deviation;
    const auto about = [](double centre, double half) { return interval{centre - half, centre + half}; };
    const double limit_error = t * s * std::sqrt(1.0 / n + z * z / (2.0 * (n - 1.0)));
    result.limits = about(result.bias, z * s);
    result.bias_confidence = about(result.bias, t * s / std::sqrt(n));
    result.lower_limit_confidence = about(result.limits.low, limit_error);
    result.upper_limit_confidence = about(result.limits.high, limit_error);
    return result;
}

} // namespace umsrep::statistics
