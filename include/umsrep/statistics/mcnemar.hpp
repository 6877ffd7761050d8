// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <umsrep/core/error.hpp>
#include <umsrep/statistics/binomial.hpp>

namespace umsrep::statistics {

/// McNemar's test of two classifiers on the same samples: is one right where the other is wrong as often as the reverse?
struct mcnemar_result {
    std::uint64_t only_first = 0;  ///< samples that the first alone got right
    std::uint64_t only_second = 0; ///< samples that the second alone got right
    double exact_p = 1.0;          ///< two-sided binomial test of only_first among both, probability 1/2
    double chi_square = 0.0;       ///< with continuity correction, 1 degree of freedom
    double chi_square_p = 1.0;     ///< near exact_p for 25 or more discordant samples
};

/// From the two discordant counts. Without discordant samples nothing speaks against equality: both p-values are 1.
/// Source: McNemar, Psychometrika 12, 1947, 153-157; correction (|b - c| - 1)^2 / (b + c), not below 0, by Edwards, ibid. 13, 1948.
inline mcnemar_result mcnemar(std::uint64_t only_first, std::uint64_t only_second) {
    mcnemar_result result{only_first, only_second};
    const std::uint64_t fewer = std::min(only_first, only_second), more = std::max(only_first, only_second);
    if (fewer == more) return result;
    result.exact_p = std::min(1.0, 2.0 * binomial_cdf(fewer, fewer + more, 0.5));
    const auto excess = static_cast<double>(more - fewer - 1);
    result.chi_square = excess * excess / static_cast<double>(fewer + more);
    result.chi_square_p = std::erfc(std::sqrt(0.5 * result.chi_square)); // chi^2 of 1 degree of freedom is a squared normal
    return result;
}

/// From the classes that two classifiers gave to N samples of known class. Samples are taken as independent; with several of one
/// patient use the clustered bootstrap. @throws shape_mismatch
inline mcnemar_result mcnemar(std::span<const int> truth, std::span<const int> first, std::span<const int> second) {
    for (const std::size_t size : {first.size(), second.size()})
        if (size != truth.size()) throw shape_mismatch("predictions", std::to_string(truth.size()), std::to_string(size));
    std::uint64_t only_first = 0, only_second = 0;
    for (std::size_t i = 0; i < truth.size(); ++i) {
        const bool first_right = first[i] == truth[i], second_right = second[i] == truth[i];
        only_first += first_right && !second_right;
        only_second += second_right && !first_right;
    }
    return mcnemar(only_first, only_second);
}

} // namespace umsrep::statistics
