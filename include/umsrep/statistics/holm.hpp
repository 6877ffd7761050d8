// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <umsrep/core/error.hpp>

namespace umsrep::statistics {

/// The p-values of a family of m tests, adjusted by Holm's step-down method: the i-th smallest becomes the maximum over j <= i of
/// (m - j + 1) p_(j), at most 1. Rejecting where the adjusted value is <= alpha keeps the chance of any false rejection <= alpha,
/// whatever the tests' dependence. In the order given. Source: Holm, Scand. J. Stat. 6, 1979, 65-70.
/// @throws option_error for a p-value outside of [0, 1], NaN included: leaving one out would change the family
inline std::vector<double> holm(std::span<const double> p_values) {
    for (const double p : p_values)
        if (!(p >= 0.0 && p <= 1.0)) throw option_error("p-value", "a number in [0, 1]", std::to_string(p));
    std::vector<std::size_t> order(p_values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, std::ranges::less{}, [&](std::size_t i) { return p_values[i]; });
    std::vector<double> adjusted(p_values.size());
    double largest = 0.0;
    for (std::size_t i = 0; i < order.size(); ++i) {
        largest = std::max(largest, static_cast<double>(order.size() - i) * p_values[order[i]]);
        adjusted[order[i]] = std::min(1.0, largest);
    }
    return adjusted;
}

} // namespace umsrep::statistics
