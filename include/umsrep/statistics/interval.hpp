// SPDX-License-Identifier: MIT
#pragma once

#include <limits>
#include <string>

#include <umsrep/core/error.hpp>

/// Uncertainty of measured numbers: intervals, tests and the adjustment of several tests, in double precision, as plain functions
/// over spans. What cannot be known is NaN; what makes no sense as input throws.
namespace umsrep::statistics {

inline constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

/// A confidence interval, both ends included.
struct interval {
    double low = unknown;
    double high = unknown;

    /// False when an end is not known.
    constexpr bool contains(double value) const { return low <= value && value <= high; }
};

/// The probability left out on each side of a two-sided interval: .025 for a confidence of .95.
/// @throws option_error unless 0 < confidence < 1
inline double tail_of(double confidence) {
    if (!(confidence > 0.0 && confidence < 1.0))
        throw option_error("confidence", "a number between 0 and 1", std::to_string(confidence));
    return 0.5 * (1.0 - confidence);
}

} // namespace umsrep::statistics
