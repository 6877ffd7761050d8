// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include <umsrep/core/error.hpp>
#include <umsrep/statistics/interval.hpp>
#include <umsrep/statistics/normal.hpp>

namespace umsrep::statistics {

/// Wilson's score interval of a proportion `successes / trials`, which, other than p -+ z sqrt(p (1 - p) / n), stays in [0, 1] and
/// has a width at 0 and 1. NaN for no trials. Source: Wilson, J. Am. Stat. Assoc. 22, 1927, 209-212; Newcombe, Stat. Med. 17, 1998,
/// 857-872, method 3. @throws option_error when successes > trials, or unless 0 < confidence < 1
inline interval wilson_interval(std::uint64_t successes, std::uint64_t trials, double confidence = 0.95) {
    const double z = -normal_quantile(tail_of(confidence));
    if (successes > trials)
        throw option_error("successes", "at most the " + std::to_string(trials) + " trials", std::to_string(successes));
    if (trials == 0) return {};
    const auto n = static_cast<double>(trials);
    const double p = static_cast<double>(successes) / n;
    const double centre = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    const double half = z / (1.0 + z * z / n) * std::sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * n));
    // Exactly 0 and 1 at the ends, where the difference is rounding only.
    return {successes == 0 ? 0.0 : std::max(0.0, centre - half), successes == trials ? 1.0 : std::min(1.0, centre + half)};
}

} // namespace umsrep::statistics
