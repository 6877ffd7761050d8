// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/metric/classification.hpp>

namespace umsrep::metric {

/// What softmax(logits / temperature) makes of the mean negative log-likelihood.
struct temperature_fit {
    double temperature = 1;   ///< > 1: the logits were over-confident
    double loss_before = undefined, loss_after = undefined;
};

/// The least and the greatest temperature that `fit_temperature` gives.
inline constexpr double least_temperature = 0.01, greatest_temperature = 100;

/// The one temperature that minimises the negative log-likelihood of N validation samples with logits (N, classes); predictions do
/// not change, confidences do. The loss is convex in 1 / temperature, so its slope is bisected. When the optimum lies outside (all
/// samples right: no temperature is low enough; logits that tell nothing: none is high enough) the nearer bound is the answer.
/// Source: Guo et al., "On calibration of modern neural networks", ICML 2017, section 4.2.
/// @throws option_error for fewer than 2 classes or no samples, shape_mismatch, label_error, error for a logit that is not finite
inline temperature_fit fit_temperature(std::span<const float> logits, std::span<const int> truth, int classes) {
    if (classes < 2) throw option_error("classes of logits", "at least 2", std::to_string(classes));
    const auto width = static_cast<std::size_t>(classes);
    if (truth.empty()) throw option_error("temperature", "at least 1 sample", "none");
    if (logits.size() != truth.size() * width)
        throw shape_mismatch("logits", std::to_string(truth.size() * width) + " of them", std::to_string(logits.size()));
    for (const int label : truth)
        if (label < 0 || label >= classes) throw label_error("true class", "0 to " + std::to_string(classes - 1), std::to_string(label));
    for (const float logit : logits)
        if (!std::isfinite(logit)) throw error("logit", "a finite number", std::to_string(logit));

    struct evaluation {
        double loss, slope; // slope by 1 / temperature: the expected logit minus the true class's
    };
    const auto evaluate = [&](double inverse) {
        evaluation sum{0.0, 0.0};
        for (std::size_t i = 0; i < truth.size(); ++i) {
            const auto row = logits.subspan(i * width, width);
            const auto highest = static_cast<double>(std::ranges::max(row));
            const auto right = static_cast<double>(row[static_cast<std::size_t>(truth[i])]);
            double total = 0.0, weighted = 0.0;
            for (const float logit : row) {
                const double weight = std::exp(inverse * (static_cast<double>(logit) - highest));
                total += weight;
                weighted += weight * static_cast<double>(logit);
            }
            sum.loss += std::log(total) - inverse * (right - highest);
            sum.slope += weighted / total - right;
        }
        const auto n = static_cast<double>(truth.size());
        return evaluation{sum.loss / n, sum.slope / n};
    };
    double low = -std::log(greatest_temperature), high = -std::log(least_temperature); // of log(1 / temperature)
    for (int halving = 0; halving < 60; ++halving) {
        const double middle = 0.5 * (low + high);
        (evaluate(std::exp(middle)).slope < 0.0 ? low : high) = middle;
    }
    const double inverse = std::exp(0.5 * (low + high));
    return {1.0 / inverse, evaluate(1.0).loss, evaluate(inverse).loss};
}

/// The same for one logit per sample and labels 0 / 1, a sigmoid's. @throws as above
inline temperature_fit fit_temperature(std::span<const float> logits, std::span<const int> positive) {
    std::vector<float> both;
    for (const float logit : logits) both.insert(both.end(), {0.0f, logit});
    return fit_temperature(both, positive, 2);
}

} // namespace umsrep::metric
