// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/statistics/interval.hpp>
#include <umsrep/statistics/moments.hpp>
#include <umsrep/statistics/normal.hpp>

namespace umsrep::statistics {

/// An area under the ROC curve with DeLong's variance.
struct auroc_estimate {
    double area = unknown;
    double variance = unknown;
    interval confidence{}; ///< area -+ z sqrt(variance), cut to [0, 1]
};

/// Two areas of one set of samples.
struct auroc_comparison {
    auroc_estimate first{}, second{};
    double difference = unknown; ///< first - second
    double variance = unknown;   ///< of the difference, with the areas' covariance
    interval confidence{};         ///< of the difference
    double z = unknown;
    double p_value = unknown;    ///< two-sided; 1 for equal areas, NaN for unequal ones without variance
};

namespace detail {

/// Ranks from 1, ties sharing their mean.
inline std::vector<double> mid_ranks(std::span<const float> scores) {
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, std::ranges::less{}, [&](std::size_t i) { return scores[i]; });
    std::vector<double> ranks(scores.size());
    for (std::size_t first = 0, last = 0; first < order.size(); first = last) {
        while (last < order.size() && scores[order[last]] == scores[order[first]]) ++last;
        for (std::size_t i = first; i < last; ++i) ranks[order[i]] = 0.5 * static_cast<double>(first + last + 1);
    }
    return ranks;
}

/// DeLong's structural components: of a positive the share of negatives below it, of a negative the share of positives above it.
struct placements {
    std::vector<double> positive, negative; ///< V10 and V01 of the paper
};

/// By mid-ranks in O(n log n): Sun and Xu, eqs. 5 and 6. Components are empty unless both classes are there.
inline placements placements_of(std::span<const float> scores, std::span<const int> labels) {
    if (scores.size() != labels.size())
        throw shape_mismatch("scores", std::to_string(labels.size()) + " of them, as labels", std::to_string(scores.size()));
    std::vector<float> positive, negative;
    for (std::size_t i = 0; i < scores.size(); ++i) {
        if (labels[i] != 0 && labels[i] != 1) throw label_error("label of a score", "0 or 1", std::to_string(labels[i]));
        if (std::isnan(scores[i])) throw error("score", "a number", "NaN");
        (labels[i] == 1 ? positive : negative).push_back(scores[i]);
    }
    if (positive.empty() || negative.empty()) return {};
    const auto all = mid_ranks(scores), among_positive = mid_ranks(positive), among_negative = mid_ranks(negative);
    const auto positives = static_cast<double>(positive.size()), negatives = static_cast<double>(negative.size());
    placements result;
    for (std::size_t i = 0; i < scores.size(); ++i) {
        if (labels[i] == 1) result.positive.push_back((all[i] - among_positive[result.positive.size()]) / negatives);
        else result.negative.push_back(1.0 - (all[i] - among_negative[result.negative.size()]) / positives);
    }
    return result;
}

/// The variance of an area (or, from differences of components, of a difference of areas); NaN with one sample of a class.
inline double delong_variance(const placements& p) {
    return variance(p.positive) / static_cast<double>(p.positive.size()) +
           variance(p.negative) / static_cast<double>(p.negative.size());
}

inline auroc_estimate auroc_estimate_of(const placements& p, double z) {
    if (p.positive.empty()) return {};
    auroc_estimate result{mean(p.positive), delong_variance(p), {}};
    const double half = z * std::sqrt(result.variance);
    if (!std::isnan(half)) result.confidence = {std::max(0.0, result.area - half), std::min(1.0, result.area + half)};
    return result;
}

} // namespace detail

/// The AUROC of N scores (higher: more likely positive) and labels 0 / 1, its variance and interval. Everything is NaN when a class
/// is missing; the variance and the interval when a class has one sample. A perfect ranking has the variance 0, which says little:
/// prefer the bootstrap near 1. Samples are taken as independent.
/// Source: DeLong et al., Biometrics 44, 1988, 837-845; Sun and Xu, IEEE Signal Process. Lett. 21, 2014, 1389-1393.
/// @throws shape_mismatch, label_error, error for a NaN score, option_error unless 0 < confidence < 1
inline auroc_estimate delong(std::span<const float> scores, std::span<const int> labels, double confidence = 0.95) {
    return detail::auroc_estimate_of(detail::placements_of(scores, labels), -normal_quantile(tail_of(confidence)));
}

/// Compares the AUROCs of two models that scored the same samples. @throws as `delong` of one
inline auroc_comparison delong(std::span<const float> first, std::span<const float> second, std::span<const int> labels,
                               double confidence = 0.95) {
    const double quantile = -normal_quantile(tail_of(confidence));
    const auto a = detail::placements_of(first, labels), b = detail::placements_of(second, labels);
    auroc_comparison result{.first = detail::auroc_estimate_of(a, quantile), .second = detail::auroc_estimate_of(b, quantile)};
    if (a.positive.empty()) return result;

    detail::placements apart = a; // Var(A - B) is the variance of the components' differences
    for (std::size_t i = 0; i < apart.positive.size(); ++i) apart.positive[i] -= b.positive[i];
    for (std::size_t i = 0; i < apart.negative.size(); ++i) apart.negative[i] -= b.negative[i];
    result.difference = result.first.area - result.second.area;
    result.variance = detail::delong_variance(apart);
    if (std::isnan(result.variance)) return result;
    const double deviation = std::sqrt(result.variance);
    result.confidence = {result.difference - quantile * deviation, result.difference + quantile * deviation};
    if (result.difference == 0.0) result.z = 0.0;
    else if (deviation > 0.0) result.z = result.difference / deviation;
    result.p_value = two_sided_normal(result.z);
    return result;
}

} // namespace umsrep::statistics
