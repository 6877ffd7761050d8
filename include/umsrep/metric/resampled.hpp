// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/metric/classification.hpp>
#include <umsrep/metric/overlap.hpp>
#include <umsrep/metric/ranking.hpp>
#include <umsrep/statistics/statistic.hpp>

/// Metrics as statistics of weighted samples, for the bootstrap: everything that does not depend on the weights is done once.
/// With every weight 1 they are the metrics of the same names; a mean over samples is `statistics::mean_of`.
namespace umsrep::metric::resampled {

/// Any figure of a confusion matrix: `classification(truth, predicted, 2, mcc)`. @throws shape_mismatch, label_error, option_error
inline statistics::statistic classification(std::vector<int> truth, std::vector<int> predicted, int classes,
                                            std::function<double(const confusion_matrix&)> figure) {
    confusion_matrix check{classes};
    check.add(truth, predicted);
    return [truth = std::move(truth), predicted = std::move(predicted), classes,
            figure = std::move(figure)](std::span<const std::uint32_t> weights) {
        confusion_matrix m{classes};
        for (std::size_t i = 0; i < truth.size(); ++i) m.add(truth[i], predicted[i], weights[i]);
        return figure(m);
    };
}

/// Dice or IoU of all images' pixels together, each image with its weight: `pooled(masks.images(), dice)`.
inline statistics::statistic pooled(std::vector<overlap> images, double (*figure)(const overlap&)) {
    return [images = std::move(images), figure](std::span<const std::uint32_t> weights) {
        overlap sum;
        for (std::size_t i = 0; i < images.size(); ++i) {
            sum.both += weights[i] * images[i].both;
            sum.predicted += weights[i] * images[i].predicted;
            sum.truth += weights[i] * images[i].truth;
        }
        return figure(sum);
    };
}

namespace detail {

/// Samples from the highest score to the lowest.
class ranking {
public:
    ranking(std::span<const float> scores, std::span<const int> positive) {
        ranked_scores{}.add(scores, positive); // checks
        order_.resize(scores.size());
        std::iota(order_.begin(), order_.end(), std::uint32_t{0});
        std::ranges::stable_sort(order_, std::ranges::greater{}, [&](std::uint32_t i) { return scores[i]; });
        for (std::size_t k = 0; k < order_.size(); ++k) {
            positive_.push_back(positive[order_[k]] == 1);
            ends_tie_.push_back(k + 1 == order_.size() || scores[order_[k]] != scores[order_[k + 1]]);
        }
    }

    /// Calls `visit(positives, negatives)` with the weights of each distinct score.
    template <class Visit>
    void for_each_tie(std::span<const std::uint32_t> weights, Visit&& visit) const {
        double of_class[2] = {0.0, 0.0}; // negatives, positives
        for (std::size_t k = 0; k < order_.size(); ++k) {
            of_class[static_cast<std::size_t>(positive_[k])] += weights[order_[k]];
            if (!ends_tie_[k]) continue;
            visit(of_class[1], of_class[0]);
            of_class[0] = of_class[1] = 0.0;
        }
    }

private:
    std::vector<std::uint32_t> order_;
    std::vector<char> positive_, ends_tie_; // in that order
};

} // namespace detail

/// `metric::auroc`. @throws as `ranked_scores::add`
inline statistics::statistic auroc(std::span<const float> scores, std::span<const int> positive) {
    return [ranking = detail::ranking{scores, positive}](std::span<const std::uint32_t> weights) {
        double concordant = 0.0, positives_above = 0.0, negatives_above = 0.0;
        ranking.for_each_tie(weights, [&](double positives, double negatives) {
            concordant += negatives * (positives_above + 0.5 * positives);
            positives_above += positives;
            negatives_above += negatives;
        });
        return ratio(concordant, positives_above * negatives_above);
    };
}

/// `metric::average_precision`. @throws as `ranked_scores::add`
inline statistics::statistic average_precision(std::span<const float> scores, std::span<const int> positive) {
    return [ranking = detail::ranking{scores, positive}](std::span<const std::uint32_t> weights) {
        double sum = 0.0, true_positives = 0.0, predicted = 0.0;
        ranking.for_each_tie(weights, [&](double positives, double negatives) {
            true_positives += positives;
            predicted += positives + negatives;
            if (positives > 0.0) sum += positives * true_positives / predicted;
        });
        return ratio(sum, true_positives);
    };
}

} // namespace umsrep::metric::resampled
