// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/core/pieces.hpp>
#include <umsrep/core/random.hpp>
#include <umsrep/core/thread_pool.hpp>
#include <umsrep/statistics/bootstrap_interval.hpp>
#include <umsrep/statistics/clusters.hpp>
#include <umsrep/statistics/interval.hpp>
#include <umsrep/statistics/moments.hpp>
#include <umsrep/statistics/statistic.hpp>

namespace umsrep::statistics {

struct bootstrap_options {
    int resamples = 10'000;
    double confidence = 0.95;
    seed random{0};
};

/// A statistic and its uncertainty over resampled clusters.
struct bootstrap_estimate {
    double value = unknown;          ///< of the samples as they are
    double standard_error = unknown; ///< standard deviation over the resamples
    interval percentile{}, bca{};
    std::size_t undefined = 0;       ///< resamples without a value (such as an AUROC of one class), which are left out of the above
};

/// Two statistics over the same resamples.
struct paired_bootstrap_result {
    bootstrap_estimate first, second;
    bootstrap_estimate difference; ///< first - second
    double p_value = unknown;      ///< two-sided, of no difference: the level at which the percentile interval just reaches 0
};

namespace detail {

/// What a statistic is of all samples, of each resample, and with each cluster left out.
struct replicates {
    double value = unknown;
    std::vector<double> resampled, jackknife;
};

/// Evaluates every statistic on the same resamples. Resample r draws from its own random stream, so neither the number of threads
/// nor that of resamples changes it.
inline std::vector<replicates> replicate(const clusters& groups, std::span<const statistic* const> statistics,
                                         const bootstrap_options& options, thread_pool* pool) {
    if (groups.count() < 2) throw option_error("bootstrap", "at least 2 clusters", std::to_string(groups.count()));
    if (options.resamples < 1) throw option_error("bootstrap", "at least 1 resample", std::to_string(options.resamples));
    tail_of(options.confidence); // throws now, not after the work

    const std::vector<std::uint32_t> once(groups.samples(), 1);
    std::vector<replicates> result;
    for (const statistic* s : statistics) {
        const auto resamples = static_cast<std::size_t>(options.resamples);
        result.push_back({(*s)(once), std::vector<double>(resamples), std::vector<double>(groups.count())});
    }

    struct scratch {
        std::vector<std::uint32_t> of_cluster, of_sample;
    };
    std::vector<scratch> workers(pool == nullptr ? 1 : static_cast<std::size_t>(pool->threads()));
    /// `count(of_cluster, i)` sets how often each cluster is there in evaluation i, from zeros; `slot` is where the values go.
    const auto evaluate = [&](std::size_t evaluations, auto count, std::vector<double> replicates::* slot) {
        const pieces cut{static_cast<std::ptrdiff_t>(evaluations), 32};
        for_tasks(pool, cut.count(), [&](int task, int worker) {
            auto& [of_cluster, of_sample] = workers[static_cast<std::size_t>(worker)];
            of_sample.resize(groups.samples());
            for (auto i = static_cast<std::size_t>(cut.begin(task)); i < static_cast<std::size_t>(cut.end(task)); ++i) {
                of_cluster.assign(groups.count(), 0);
                count(of_cluster, i);
                for (std::size_t s = 0; s < of_sample.size(); ++s) of_sample[s] = of_cluster[groups.of_sample()[s]];
                for (std::size_t s = 0; s < statistics.size(); ++s) (result[s].*slot)[i] = (*statistics[s])(of_sample);
            }
        });
    };
    evaluate(static_cast<std::size_t>(options.resamples), [&](std::vector<std::uint32_t>& of_cluster, std::size_t resample) {
        random_stream stream{options.random, "bootstrap", resample};
        const auto clusters = static_cast<std::uint32_t>(of_cluster.size());
        for (std::uint32_t draw = 0; draw < clusters; ++draw) ++of_cluster[stream.below(clusters)];
    }, &replicates::resampled);
    evaluate(groups.count(), [](std::vector<std::uint32_t>& of_cluster, std::size_t left_out) {
        std::ranges::fill(of_cluster, 1u);
        of_cluster[left_out] = 0;
    }, &replicates::jackknife);
    return result;
}

inline std::vector<double> sorted_defined(std::vector<double> values) {
    std::erase_if(values, [](double value) { return std::isnan(value); });
    std::ranges::sort(values);
    return values;
}

inline bootstrap_estimate estimate_of(const replicates& r, double confidence) {
    const auto ascending = sorted_defined(r.resampled);
    bootstrap_estimate result{.value = r.value, .undefined = r.resampled.size() - ascending.size()};
    if (std::isnan(r.value)) return result;
    result.standard_error = standard_deviation(ascending);
    result.percentile = percentile_interval(ascending, confidence);
    result.bca = bca_interval(ascending, r.value, r.jackknife, confidence);
    return result;
}

/// Twice the smaller share of the distribution on either side of 0, 0 included and the estimate itself counted in, at most 1.
/// Source: Davison and Hinkley, Bootstrap Methods and their Application, 1997, eq. 4.11.
inline double p_of_zero(const replicates& r) {
    if (std::isnan(r.value)) return unknown;
    double all = 1.0, at_most = 1.0, at_least = 1.0;
    for (const double value : r.resampled) {
        if (std::isnan(value)) continue;
        all += 1.0;
        at_most += value <= 0.0;
        at_least += value >= 0.0;
    }
    return std::min(1.0, 2.0 * std::min(at_most, at_least) / all);
}

} // namespace detail

/// The uncertainty of a statistic by resampling whole clusters with replacement. Everything is NaN when the statistic itself is.
/// The result depends on the seed but on no number of threads. Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993;
/// clusters: Field and Welsh, J. R. Stat. Soc. B 69, 2007, 369-390. @throws option_error for fewer than 2 clusters or 1 resample
inline bootstrap_estimate bootstrap(const clusters& groups, const statistic& of, const bootstrap_options& options = {},
                                    thread_pool* pool = nullptr) {
    const statistic* const only[] = {&of};
    return detail::estimate_of(detail::replicate(groups, only, options, pool)[0], options.confidence);
}

/// Compares two statistics of the same samples, such as one metric of two models, on the same resamples. @throws as `bootstrap`
inline paired_bootstrap_result paired_bootstrap(const clusters& groups, const statistic& first, const statistic& second,
                                                const bootstrap_options& options = {}, thread_pool* pool = nullptr) {
    const statistic* const both[] = {&first, &second};
    const auto each = detail::replicate(groups, both, options, pool);
    const auto minus = [](const std::vector<double>& a, const std::vector<double>& b) {
        std::vector<double> result(a.size());
        std::ranges::transform(a, b, result.begin(), [](double x, double y) { return x - y; });
        return result;
    };
    const detail::replicates difference{each[0].value - each[1].value, minus(each[0].resampled, each[1].resampled),
                                        minus(each[0].jackknife, each[1].jackknife)};
    return {detail::estimate_of(each[0], options.confidence), detail::estimate_of(each[1], options.confidence),
            detail::estimate_of(difference, options.confidence), detail::p_of_zero(difference)};
}

} // namespace umsrep::statistics
