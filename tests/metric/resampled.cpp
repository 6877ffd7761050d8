// SPDX-License-Identifier: MIT
#include <umsrep/metric/resampled.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <umsrep/core/random.hpp>
#include <umsrep/statistics/bootstrap.hpp>
#include <umsrep/statistics/delong.hpp>

using namespace umsrep;
using namespace umsrep::metric;

namespace resampled_tests {

struct sample {
    std::vector<float> scores;
    std::vector<int> labels;
};

/// Scores with many ties.
sample simulate(random_stream& stream, int size) {
    sample s;
    for (int i = 0; i < size; ++i) {
        s.labels.push_back(static_cast<int>(stream.below(2)));
        s.scores.push_back(std::round(4.0f * (stream.normal() + static_cast<float>(s.labels.back()))) / 4.0f);
    }
    return s;
}

/// The values in which the i-th stands weights[i] times.
template <class T>
std::vector<T> repeated(const std::vector<T>& values, const std::vector<std::uint32_t>& weights) {
    std::vector<T> result;
    for (std::size_t i = 0; i < values.size(); ++i) result.insert(result.end(), weights[i], values[i]);
    return result;
}

std::vector<std::uint32_t> random_weights(random_stream& stream, std::size_t size) {
    std::vector<std::uint32_t> weights(size);
    for (std::uint32_t& weight : weights) weight = stream.below(4);
    return weights;
}

} // namespace resampled_tests

TEST_CASE("a metric of weighted samples is the metric of the samples repeated") {
    random_stream stream{seed{14}, "weights"};
    for (int trial = 0; trial < 20; ++trial) {
        const auto s = resampled_tests::simulate(stream, 40);
        const auto weights = resampled_tests::random_weights(stream, 40);
        const auto scores = resampled_tests::repeated(s.scores, weights);
        const auto labels = resampled_tests::repeated(s.labels, weights);
        CHECK(resampled::auroc(s.scores, s.labels)(weights) == doctest::Approx(auroc(scores, labels)).epsilon(1e-14));
        CHECK(resampled::average_precision(s.scores, s.labels)(weights) ==
              doctest::Approx(average_precision(scores, labels)).epsilon(1e-14));

        std::vector<int> predicted;
        for (const float score : s.scores) predicted.push_back(score > 0.5f);
        confusion_matrix m{2};
        m.add(labels, resampled_tests::repeated(predicted, weights));
        CHECK(resampled::classification(s.labels, predicted, 2, mcc)(weights) == mcc(m));
        CHECK(resampled::classification(s.labels, predicted, 2, [](const confusion_matrix& c) { return f1(c, 1); })(weights) == f1(m, 1));

        std::vector<overlap> masks;
        for (int i = 0; i < 40; ++i) {
            const std::uint64_t both = stream.below(50);
            masks.push_back({both, both + stream.below(20), both + stream.below(20)});
        }
        mask_overlap all;
        for (const overlap& mask : resampled_tests::repeated(masks, weights)) all.add(mask);
        CHECK(resampled::pooled(masks, dice)(weights) == all.pooled_dice());
        CHECK(resampled::pooled(masks, iou)(weights) == all.pooled_iou());
    }
}

TEST_CASE("a resample of one class has no AUROC, without positives no average precision; all ties have .5") {
    const std::vector<float> scores{1, 2, 3};
    const std::vector<int> labels{0, 1, 0};
    const std::vector<std::uint32_t> negatives{2, 0, 1};
    CHECK(std::isnan(resampled::auroc(scores, labels)(negatives)));
    CHECK(std::isnan(resampled::average_precision(scores, labels)(negatives)));
    CHECK(resampled::auroc(std::vector<float>(3, 5.0f), labels)(std::vector<std::uint32_t>{1, 1, 1}) == 0.5);
    CHECK_THROWS_AS(resampled::auroc(scores, std::vector<int>{0, 1, 2}), label_error);
    CHECK_THROWS_AS(resampled::classification({0, 1}, {0, 2}, 2, mcc), label_error);
}

TEST_CASE("of independent samples, the bootstrap's standard error of an AUROC difference is near DeLong's") {
    random_stream stream{seed{15}, "delong"};
    auto s = resampled_tests::simulate(stream, 300);
    auto other = s.scores;
    for (float& score : other) score += 0.8f * stream.normal();
    const auto r = statistics::paired_bootstrap(statistics::clusters::singletons(300), resampled::auroc(s.scores, s.labels),
                                                resampled::auroc(other, s.labels), {.resamples = 4000});
    const auto d = statistics::delong(s.scores, other, s.labels);
    CHECK(r.difference.value == doctest::Approx(d.difference).epsilon(1e-12));
    CHECK(r.difference.standard_error == doctest::Approx(std::sqrt(d.variance)).epsilon(0.06));
    CHECK(r.first.standard_error == doctest::Approx(std::sqrt(d.first.variance)).epsilon(0.06));
}
