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
#include <umsrep/metric/classification.hpp>

namespace umsrep::metric {

namespace detail {

/// @throws as the functions below
inline void check_probabilities(std::span<const float> probabilities, std::span<const int> truth, int classes) {
    if (classes < 1) throw option_error("classes", "at least 1", std::to_string(classes));
    const std::size_t expected = truth.size() * static_cast<std::size_t>(classes);
    if (probabilities.size() != expected)
        throw shape_mismatch("probabilities", std::to_string(expected) + " of them", std::to_string(probabilities.size()));
    for (const float p : probabilities)
        if (!(p >= 0.0f && p <= 1.0f)) throw error("probability", "a number in [0, 1]", std::to_string(p));
    for (const int label : truth)
        if (label < 0 || label >= classes) throw label_error("true class", "0 to " + std::to_string(classes - 1), std::to_string(label));
}

} // namespace detail

/// The Brier score of each of N samples, sum over classes of (p_c - [truth is c])^2, in [0, 2], for probabilities (N, classes).
/// For two classes it is twice the (p - y)^2 of one probability. Their mean is the Brier score (Monthly Weather Rev. 78, 1950, 1-3);
/// single values serve intervals and paired tests.
/// @throws shape_mismatch, label_error, option_error, error for what is not a probability
inline std::vector<double> brier_per_sample(std::span<const float> probabilities, std::span<const int> truth, int classes) {
    detail::check_probabilities(probabilities, truth, classes);
    const auto width = static_cast<std::size_t>(classes);
    std::vector<double> result(truth.size(), 0.0);
    for (std::size_t i = 0; i < truth.size(); ++i)
        for (std::size_t c = 0; c < width; ++c) {
            const double d = static_cast<double>(probabilities[i * width + c]) - (truth[i] == static_cast<int>(c));
            result[i] += d * d;
        }
    return result;
}

/// The mean of `brier_per_sample`; NaN of no samples.
inline double brier(std::span<const float> probabilities, std::span<const int> truth, int classes) {
    return mean_of_defined(brier_per_sample(probabilities, truth, classes));
}

/// How far confidence is from accuracy: predictions in bins ((b - 1) / B, b / B] of the probability of the predicted class (the
/// highest, the first one among equals), as in Guo et al., "On calibration of modern neural networks", ICML 2017.
class reliability {
public:
    struct bin {
        std::uint64_t count = 0;
        std::uint64_t correct = 0;
        double confidence = 0; ///< sum over the bin

        double mean_confidence() const { return ratio(confidence, static_cast<double>(count)); } ///< NaN when empty
        double accuracy() const { return ratio(static_cast<double>(correct), static_cast<double>(count)); } ///< NaN when empty
    };

    /// @throws option_error when `bins` < 1
    explicit reliability(int bins = 15) {
        if (bins < 1) throw option_error("reliability", "at least 1 bin", std::to_string(bins));
        bins_.resize(static_cast<std::size_t>(bins));
    }

    /// A batch of probabilities (N, classes). Nothing is added when anything is wrong. @throws as `brier_per_sample`
    void add(std::span<const float> probabilities, std::span<const int> truth, int classes) {
        detail::check_probabilities(probabilities, truth, classes);
        const auto width = static_cast<std::size_t>(classes);
        for (std::size_t i = 0; i < truth.size(); ++i) {
            const auto row = probabilities.subspan(i * width, width);
            const auto highest = std::ranges::max_element(row);
            bin& b = bins_[bin_of(*highest)];
            ++b.count;
            b.correct += highest - row.begin() == truth[i];
            b.confidence += static_cast<double>(*highest);
        }
    }

    const std::vector<bin>& bins() const { return bins_; }

    /// Expected calibration error: the bins' |accuracy - confidence|, weighted by their counts. NaN of no samples.
    double expected_error() const {
        double gaps = 0.0, samples = 0.0;
        for (const bin& b : bins_) {
            gaps += std::abs(static_cast<double>(b.correct) - b.confidence);
            samples += static_cast<double>(b.count);
        }
        return ratio(gaps, samples);
    }

private:
    std::size_t bin_of(float p) const {
        const double upper = std::ceil(static_cast<double>(p) * static_cast<double>(bins_.size()));
        return upper < 1.0 ? 0 : static_cast<std::size_t>(upper) - 1;
    }

    std::vector<bin> bins_;
};

/// `reliability::expected_error` of N samples at once. @throws as `brier_per_sample`; option_error when `bins` < 1
inline double expected_calibration_error(std::span<const float> probabilities, std::span<const int> truth, int classes, int bins = 15) {
    reliability all{bins};
    all.add(probabilities, truth, classes);
    return all.expected_error();
}

} // namespace umsrep::metric
