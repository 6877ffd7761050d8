// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/statistics/normal.hpp>

namespace umsrep::statistics {

/// Wilcoxon's signed-rank test of paired values: are the differences symmetric about 0?
struct wilcoxon_result {
    std::size_t pairs = 0;    ///< that differ; equal ones are left out, as Wilcoxon did
    double positive_ranks = 0; ///< sum of the ranks of |difference| where it is positive; ties share their mean rank
    double negative_ranks = 0;
    bool exact = true;        ///< whether p is of the exact distribution or of the normal approximation
    double p_value = 1.0;     ///< two-sided; 1 when no pair differs
};

namespace detail {

/// P over all 2^n equally likely signs: twice the smaller tail at `positive`, at most 1. Ranks are doubled, hence whole with ties
/// too. ways[s] counts the choices of signs whose positive ranks sum to s: n steps of the product over ranks of (1 + x^rank).
inline double exact_signed_rank(std::span<const std::size_t> doubled_ranks, std::size_t doubled_positive) {
    std::size_t sum = 0;
    for (const std::size_t rank : doubled_ranks) sum += rank;
    std::vector<double> ways(sum + 1, 0.0);
    ways[0] = 1.0;
    for (const std::size_t rank : doubled_ranks)
        for (std::size_t s = sum; s >= rank; --s) ways[s] += ways[s - rank];
    const double all = std::ldexp(1.0, static_cast<int>(doubled_ranks.size()));
    double at_most = 0.0, at_least = 0.0;
    for (std::size_t s = 0; s <= sum; ++s) {
        if (s <= doubled_positive) at_most += ways[s];
        if (s >= doubled_positive) at_least += ways[s];
    }
    return std::min(1.0, 2.0 * std::min(at_most, at_least) / all);
}

} // namespace detail

/// For up to `exact_up_to` differing pairs the exact p-value given the ties; above that the normal approximation with corrections
/// for ties and continuity. Without ties as scipy.stats.wilcoxon(correction=True); with ties scipy is exact up to 13 pairs only.
/// Source: Wilcoxon, Biometrics 1, 1945, 80-83; Pratt and Gibbons, Concepts of Nonparametric Theory, 1981, ch. 3.
/// @throws error for a NaN
inline wilcoxon_result wilcoxon(std::span<const double> differences, std::size_t exact_up_to = 50) {
    std::vector<double> sorted;
    for (const double difference : differences) {
        if (std::isnan(difference)) throw error("difference of a pair", "a number", "NaN");
        if (difference != 0.0) sorted.push_back(difference);
    }
    std::ranges::sort(sorted, std::ranges::less{}, [](double d) { return std::abs(d); });

    wilcoxon_result result{.pairs = sorted.size()};
    std::vector<std::size_t> doubled_ranks;
    std::size_t doubled_positive = 0;
    double tie_correction = 0.0;
    for (std::size_t first = 0, last = 0; first < sorted.size(); first = last) {
        while (last < sorted.size() && std::abs(sorted[last]) == std::abs(sorted[first])) ++last;
        const auto tied = static_cast<double>(last - first);
        tie_correction += tied * tied * tied - tied;
        for (std::size_t i = first; i < last; ++i) {
            doubled_ranks.push_back(first + last + 1); // twice the mean of the ranks first + 1, ..., last
            if (sorted[i] > 0.0) doubled_positive += doubled_ranks.back();
        }
    }
    const auto n = static_cast<double>(sorted.size());
    result.positive_ranks = 0.5 * static_cast<double>(doubled_positive);
    result.negative_ranks = 0.5 * n * (n + 1.0) - result.positive_ranks;
    result.exact = sorted.size() <= exact_up_to;
    if (result.exact) {
        result.p_value = detail::exact_signed_rank(doubled_ranks, doubled_positive);
    } else {
        const double deviation = std::abs(result.positive_ranks - 0.25 * n * (n + 1.0));
        const double variance = (n * (n + 1.0) * (2.0 * n + 1.0) - 0.5 * tie_correction) / 24.0;
        result.p_value = two_sided_normal(std::max(0.0, deviation - 0.5) / std::sqrt(variance));
    }
    return result;
}

/// Of first[i] - second[i]. @throws shape_mismatch, error
inline wilcoxon_result wilcoxon(std::span<const double> first, std::span<const double> second, std::size_t exact_up_to = 50) {
    if (first.size() != second.size())
        throw shape_mismatch("paired values", std::to_string(first.size()), std::to_string(second.size()));
    std::vector<double> differences(first.size());
    for (std::size_t i = 0; i < first.size(); ++i) differences[i] = first[i] - second[i];
    return wilcoxon(differences, exact_up_to);
}

} // namespace umsrep::statistics
