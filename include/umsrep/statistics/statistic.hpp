// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/statistics/interval.hpp>

namespace umsrep::statistics {

/// A number made of N samples of which the i-th is there weights[i] times; NaN where it does not exist. A resample is then one array
/// of counts, and what does not depend on it (such as an order of scores) is prepared once. It is called by several threads at once.
using statistic = std::function<double(std::span<const std::uint32_t> weights)>;

/// The mean of one value per sample: accuracy from 0 / 1, Dice per image, an absolute error. @throws error for a NaN value
inline statistic mean_of(std::vector<double> values) {
    for (std::size_t i = 0; i < values.size(); ++i)
        if (std::isnan(values[i])) throw error("value of sample " + std::to_string(i), "a number", "NaN");
    return [values = std::move(values)](std::span<const std::uint32_t> weights) {
        double sum = 0.0, count = 0.0;
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (weights[i] == 0) continue; // 0 times an infinite value is 0 here
            sum += weights[i] * values[i];
            count += weights[i];
        }
        return count == 0.0 ? unknown : sum / count;
    };
}

/// The mean of statistics of the same samples, such as those of models trained from several seeds. @throws option_error for none
inline statistic average_of(std::vector<statistic> parts) {
    if (parts.empty()) throw option_error("average of statistics", "at least one", "none");
    return [parts = std::move(parts)](std::span<const std::uint32_t> weights) {
        double sum = 0.0;
        for (const statistic& part : parts) sum += part(weights);
        return sum / static_cast<double>(parts.size());
    };
}

/// Any function of the samples' numbers, in which sample i stands weights[i] times. Slower than a statistic made for weights.
inline statistic of_rows(std::function<double(std::span<const std::size_t> rows)> function) {
    return [function = std::move(function)](std::span<const std::uint32_t> weights) {
        std::vector<std::size_t> rows;
        for (std::size_t i = 0; i < weights.size(); ++i) rows.insert(rows.end(), weights[i], i);
        return function(rows);
    };
}

} // namespace umsrep::statistics
