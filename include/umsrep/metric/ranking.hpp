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

/// Scores of one class against the rest, gathered over batches; the curves need all of them at once. Higher = more likely positive.
class ranked_scores {
public:
    /// @throws label_error when a label is neither 0 nor 1, shape_mismatch when the lengths differ, error on a NaN score. Nothing is
    /// added when anything is wrong.
    void add(std::span<const float> scores, std::span<const int> positive) {
        if (scores.size() != positive.size())
            throw shape_mismatch("scores", std::to_string(positive.size()) + " of them, as labels", std::to_string(scores.size()));
        for (const int label : positive)
            if (label != 0 && label != 1) throw label_error("label of a score", "0 or 1", std::to_string(label));
        for (const float score : scores)
            if (std::isnan(score)) throw error("score", "a number", "NaN");
        for (std::size_t i = 0; i < scores.size(); ++i) samples_.push_back({scores[i], positive[i] == 1});
    }

    std::size_t size() const { return samples_.size(); }

    /// Area under the ROC curve: the chance that a positive scores above a negative, a tie counting one half (Mann-Whitney U by
    /// mid-ranks; Hanley and McNeil, Radiology 143, 1982, 29-36). NaN when positives or negatives are missing.
    double auroc() const {
        double concordant = 0.0, positives_above = 0.0, negatives_above = 0.0;
        for_each_tie([&](double positives, double negatives) {
            concordant += negatives * (positives_above + 0.5 * positives);
            positives_above += positives;
            negatives_above += negatives;
        });
        return ratio(concordant, positives_above * negatives_above);
    }

    /// Area under the precision-recall curve as average precision: sum over thresholds of (R_k - R_{k-1}) P_k, no interpolation
    /// (as scikit-learn's average_precision_score). NaN when there is no positive.
    double average_precision() const {
        double sum = 0.0, true_positives = 0.0, predicted = 0.0;
        for_each_tie([&](double positives, double negatives) {
            true_positives += positives;
            predicted += positives + negatives;
            sum += positives * true_positives / predicted;
        });
        return ratio(sum, true_positives);
    }

private:
    struct sample {
        float score;
        bool positive;
    };

    /// Calls `visit(positives, negatives)` once for each distinct score, from the highest to the lowest.
    template <class Visit>
    void for_each_tie(Visit&& visit) const {
        auto sorted = samples_;
        std::ranges::sort(sorted, std::ranges::greater{}, &sample::score);
        for (auto first = sorted.begin(); first != sorted.end();) {
            const auto last = std::find_if(first, sorted.end(), [&](const sample& s) { return s.score != first->score; });
            const auto positives = static_cast<double>(std::count_if(first, last, [](const sample& s) { return s.positive; }));
            visit(positives, static_cast<double>(last - first) - positives);
            first = last;
        }
    }

    std::vector<sample> samples_;
};

/// Area under the ROC curve of N scores and N labels 0 / 1; see `ranked_scores::auroc`. @throws as `ranked_scores::add`
inline double auroc(std::span<const float> scores, std::span<const int> positive) {
    ranked_scores all;
    all.add(scores, positive);
    return all.auroc();
}

/// Average precision of N scores and N labels 0 / 1; see `ranked_scores::average_precision`. @throws as `ranked_scores::add`
inline double average_precision(std::span<const float> scores, std::span<const int> positive) {
    ranked_scores all;
    all.add(scores, positive);
    return all.average_precision();
}

/// One class against the rest, for each class of a (N, classes) matrix of scores: element c is the AUROC of "is class c", NaN
/// where the class is absent or alone. `mean_of_defined` makes it macro one-vs-rest.
/// @throws option_error, shape_mismatch, label_error
inline std::vector<double> auroc_one_vs_rest(std::span<const float> scores, std::span<const int> truth, int classes) {
    if (classes < 1) throw option_error("classes", "at least 1", std::to_string(classes));
    const auto width = static_cast<std::size_t>(classes);
    if (scores.size() != truth.size() * width)
        throw shape_mismatch("scores", std::to_string(truth.size() * width) + " of them", std::to_string(scores.size()));
    for (const int label : truth)
        if (label < 0 || label >= classes)
            throw label_error("true class", "0 to " + std::to_string(classes - 1), std::to_string(label));
    std::vector<double> result;
    std::vector<float> column(truth.size());
    std::vector<int> positive(truth.size());
    for (std::size_t c = 0; c < width; ++c) {
        for (std::size_t i = 0; i < truth.size(); ++i) {
            column[i] = scores[i * width + c];
            positive[i] = truth[i] == static_cast<int>(c);
        }
        result.push_back(auroc(column, positive));
    }
    return result;
}

} // namespace umsrep::metric
