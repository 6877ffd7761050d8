// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <umsrep/core/error.hpp>

/// Metrics in double precision, as plain functions over spans and as small accumulators: `add(batch)` while evaluating, a result
/// at any time. What a metric cannot know it does not invent: a ratio 0/0 is NaN unless its docstring states another convention.
namespace umsrep::metric {

inline constexpr double undefined = std::numeric_limits<double>::quiet_NaN();

/// `numerator / denominator`, NaN for 0/0.
constexpr double ratio(double numerator, double denominator) {
    return denominator == 0.0 ? undefined : numerator / denominator;
}

/// The mean of the values that are defined (not NaN); NaN when none is.
inline double mean_of_defined(std::span<const double> values) {
    double sum = 0.0;
    std::size_t count = 0;
    for (const double value : values) {
        if (std::isnan(value)) continue;
        sum += value;
        ++count;
    }
    return ratio(sum, static_cast<double>(count));
}

/// Counts of (true class, predicted class) pairs for any number of classes. A value: copy it, add two of them, print it.
class confusion_matrix {
public:
    /// @throws option_error when `classes` < 1.
    explicit confusion_matrix(int classes) : classes_{classes} {
        if (classes < 1) throw option_error("confusion matrix", "at least 1 class", std::to_string(classes));
        counts_.resize(static_cast<std::size_t>(classes) * static_cast<std::size_t>(classes));
    }

    /// A pair that occurred `times` times. @throws label_error when a class is not in [0, classes).
    void add(int truth, int predicted, std::uint64_t times = 1) {
        check(truth, "true class");
        check(predicted, "predicted class");
        counts_[at(truth, predicted)] += times;
    }

    /// A batch of class indices. Nothing is added when anything is wrong. @throws shape_mismatch, label_error
    void add(std::span<const int> truth, std::span<const int> predicted) {
        if (truth.size() != predicted.size())
            throw shape_mismatch("confusion matrix", std::to_string(truth.size()) + " predictions", std::to_string(predicted.size()));
        for (const int label : truth) check(label, "true class");
        for (const int label : predicted) check(label, "predicted class");
        for (std::size_t i = 0; i < truth.size(); ++i) ++counts_[at(truth[i], predicted[i])];
    }

    /// A batch of scores (logits or probabilities), (N, classes): the highest score is the prediction, the first one among equals.
    /// @throws shape_mismatch, label_error; a NaN score is an `error`, not a prediction.
    void add_scores(std::span<const int> truth, std::span<const float> scores) {
        const auto width = static_cast<std::size_t>(classes_);
        if (scores.size() != truth.size() * width)
            throw shape_mismatch("confusion matrix", std::to_string(truth.size() * width) + " scores", std::to_string(scores.size()));
        if (std::ranges::any_of(scores, [](float s) { return std::isnan(s); }))
            throw error("confusion matrix", "scores that are numbers", "NaN");
        std::vector<int> predicted(truth.size());
        for (std::size_t i = 0; i < truth.size(); ++i) {
            const auto row = scores.subspan(i * width, width);
            predicted[i] = static_cast<int>(std::ranges::max_element(row) - row.begin());
        }
        add(truth, predicted);
    }

    /// @throws shape_mismatch when the other has another number of classes.
    confusion_matrix& operator+=(const confusion_matrix& other) {
        if (other.classes_ != classes_)
            throw shape_mismatch("confusion matrix", std::to_string(classes_) + " classes", std::to_string(other.classes_));
        for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
        return *this;
    }

    int classes() const { return classes_; }

    /// Samples of class `truth` that were predicted as `predicted`. @throws label_error
    std::uint64_t count(int truth, int predicted) const {
        check(truth, "true class");
        check(predicted, "predicted class");
        return counts_[at(truth, predicted)];
    }

    std::uint64_t total() const {
        std::uint64_t sum = 0;
        for (const std::uint64_t count : counts_) sum += count;
        return sum;
    }

    std::uint64_t correct() const {
        std::uint64_t sum = 0;
        for (int c = 0; c < classes_; ++c) sum += counts_[at(c, c)];
        return sum;
    }

    /// Samples whose true class is `c`. @throws label_error
    std::uint64_t truth(int c) const {
        check(c, "true class");
        std::uint64_t sum = 0;
        for (int p = 0; p < classes_; ++p) sum += counts_[at(c, p)];
        return sum;
    }

    /// Samples predicted as `c`. @throws label_error
    std::uint64_t predicted(int c) const {
        check(c, "predicted class");
        std::uint64_t sum = 0;
        for (int t = 0; t < classes_; ++t) sum += counts_[at(t, c)];
        return sum;
    }

    friend bool operator==(const confusion_matrix&, const confusion_matrix&) = default;

private:
    std::size_t at(int truth, int predicted) const {
        return static_cast<std::size_t>(truth) * static_cast<std::size_t>(classes_) + static_cast<std::size_t>(predicted);
    }

    void check(int label, const char* what) const {
        if (label < 0 || label >= classes_)
            throw label_error(what, "0 to " + std::to_string(classes_ - 1), std::to_string(label));
    }

    int classes_;
    std::vector<std::uint64_t> counts_; // row = true class, column = predicted class
};

/// Share of samples predicted right. NaN when there is no sample.
inline double accuracy(const confusion_matrix& m) {
    return ratio(static_cast<double>(m.correct()), static_cast<double>(m.total()));
}

/// Sensitivity (recall) of class `c` against the rest: TP / (TP + FN). NaN when no sample is truly `c`.
inline double sensitivity(const confusion_matrix& m, int c) {
    return ratio(static_cast<double>(m.count(c, c)), static_cast<double>(m.truth(c)));
}

/// Specificity of class `c` against the rest: TN / (TN + FP). NaN when every sample is truly `c`.
inline double specificity(const confusion_matrix& m, int c) {
    const std::uint64_t negative = m.total() - m.truth(c);
    const std::uint64_t false_positive = m.predicted(c) - m.count(c, c);
    return ratio(static_cast<double>(negative - false_positive), static_cast<double>(negative));
}

/// Precision of class `c` against the rest: TP / (TP + FP). NaN when nothing was predicted as `c`.
inline double precision(const confusion_matrix& m, int c) {
    return ratio(static_cast<double>(m.count(c, c)), static_cast<double>(m.predicted(c)));
}

/// F1 of class `c` against the rest: 2 TP / (2 TP + FP + FN). 0 when it occurs but is never hit; NaN when it neither occurs nor
/// is predicted.
inline double f1(const confusion_matrix& m, int c) {
    return ratio(2.0 * static_cast<double>(m.count(c, c)), static_cast<double>(m.truth(c) + m.predicted(c)));
}

/// Unweighted mean of a per-class metric over the classes for which it is defined; NaN when there is none:
/// `macro(m, sensitivity)`.
template <class Metric>
double macro(const confusion_matrix& m, Metric&& per_class) {
    std::vector<double> values;
    for (int c = 0; c < m.classes(); ++c) values.push_back(per_class(m, c));
    return mean_of_defined(values);
}

inline double macro_sensitivity(const confusion_matrix& m) { return macro(m, sensitivity); }
inline double macro_specificity(const confusion_matrix& m) { return macro(m, specificity); }
inline double macro_precision(const confusion_matrix& m) { return macro(m, precision); }
inline double macro_f1(const confusion_matrix& m) { return macro(m, f1); }

/// Mean sensitivity over the classes that occur, so that a rare class weighs as much as a frequent one.
inline double balanced_accuracy(const confusion_matrix& m) { return macro_sensitivity(m); }

/// Matthews correlation coefficient, for more than two classes Gorodkin's R_K (Comput. Biol. Chem. 28, 2004, 367-374), in [-1, 1].
/// When the truth or the predictions hold one class only it is 0/0 and, by the usual convention (Chicco and Jurman, BMC Genomics
/// 21, 2020, 6), taken as 0: no correlation was shown. NaN when there is no sample.
inline double mcc(const confusion_matrix& m) {
    const auto samples = static_cast<double>(m.total());
    if (samples == 0.0) return undefined;
    double agreement = 0.0, truth_squared = 0.0, predicted_squared = 0.0;
    for (int c = 0; c < m.classes(); ++c) {
        const auto t = static_cast<double>(m.truth(c)) / samples;
        const auto p = static_cast<double>(m.predicted(c)) / samples;
        agreement += t * p;
        truth_squared += t * t;
        predicted_squared += p * p;
    }
    const auto constant = [&](auto marginal) {
        for (int c = 0; c < m.classes(); ++c)
            if (marginal(c) == m.total()) return true;
        return false;
    };
    if (constant([&](int c) { return m.truth(c); }) || constant([&](int c) { return m.predicted(c); })) return 0.0;
    const double covariance = static_cast<double>(m.correct()) / samples - agreement;
    return covariance / std::sqrt((1.0 - truth_squared) * (1.0 - predicted_squared));
}

} // namespace umsrep::metric
