// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include <umsrep/core/error.hpp>
#include <umsrep/statistics/interval.hpp>

namespace umsrep::statistics {

/// The quantile at `p` of values in ascending order, interpolated linearly between the two nearest: type 7 of Hyndman and Fan, Am.
/// Stat. 50, 1996, 361-365, as in NumPy. NaN of no values. @throws option_error unless 0 <= p <= 1
inline double quantile_of_sorted(std::span<const double> ascending, double p) {
    if (!(p >= 0.0 && p <= 1.0)) throw option_error("quantile", "a probability in [0, 1]", std::to_string(p));
    if (ascending.empty()) return unknown;
    const double position = p * static_cast<double>(ascending.size() - 1);
    const auto below = static_cast<std::size_t>(position);
    const double fraction = position - static_cast<double>(below);
    if (fraction == 0.0) return ascending[below];
    const double low = ascending[below], high = ascending[below + 1];
    return low == high ? low : low + fraction * (high - low); // infinity - infinity would be NaN
}

} // namespace umsrep::statistics
