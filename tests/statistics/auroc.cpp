// SPDX-License-Identifier: MIT
#include <umsrep/statistics/delong.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <umsrep/core/random.hpp>
#include <umsrep/metric/ranking.hpp>

#include <tests/support/fixture.hpp>

using namespace umsrep;
using namespace umsrep::statistics;

namespace auroc_tests {

struct study {
    std::vector<float> first, second;
    std::vector<int> labels;
};

/// Scores of two models that share part of their noise; both shifted by `gain` for positives.
study simulate(random_stream& stream, int samples, float gain) {
    study s;
    for (int i = 0; i < samples; ++i) {
        const bool positive = i % 3 == 0;
        const float common = stream.normal() + (positive ? gain : 0.0f);
        s.first.push_back(common + stream.normal());
        s.second.push_back(common + stream.normal());
        s.labels.push_back(positive);
    }
    return s;
}

} // namespace auroc_tests

TEST_CASE("DeLong's areas, variances and test agree with their definition over all pairs") {
    const auto file = test::fixture("statistics");
    for (const std::string name : {"smooth", "tied"}) {
        CAPTURE(name);
        const auto first = file.values<float>("delong." + name + ".first"), second = file.values<float>("delong." + name + ".second");
        const auto labels = file.values<int>("delong." + name + ".positive");
        const auto area = file.values<double>("delong." + name + ".area");
        const auto covariance = file.values<double>("delong." + name + ".covariance");
        const auto r = delong(first, second, labels);
        CHECK(r.first.area == doctest::Approx(area[0]).epsilon(1e-13));
        CHECK(r.second.area == doctest::Approx(area[1]).epsilon(1e-13));
        CHECK(r.first.variance == doctest::Approx(covariance[0]).epsilon(1e-12));
        CHECK(r.second.variance == doctest::Approx(covariance[3]).epsilon(1e-12));
        CHECK(r.variance == doctest::Approx(covariance[0] + covariance[3] - 2 * covariance[1]).epsilon(1e-12));
        CHECK(r.p_value == doctest::Approx(file.values<double>("delong." + name + ".p")[0]).epsilon(1e-11));
        CHECK(r.first.area == doctest::Approx(metric::auroc(first, labels)).epsilon(1e-14));
        CHECK(delong(second, labels).variance == r.second.variance);
    }
}

TEST_CASE("DeLong et al., 1988: two scores of patients with ovarian cancer, as tabled by SAS") {
    // SAS/STAT User's Guide, PROC LOGISTIC, "Comparing Receiver Operating Characteristic Curves": albumin, K-G score (its negative:
    // a high one is bad), and whether surgery helped.
    const std::vector<float> albumin{3.0f, 3.2f, 3.9f, 2.8f, 3.2f, 0.9f, 2.5f, 1.6f, 3.8f, 3.7f, 3.2f, 3.8f, 4.1f, 3.6f, 4.3f,
                                     3.6f, 2.3f, 4.2f, 4.0f, 3.5f, 3.8f, 3.0f, 4.5f, 3.7f, 3.1f, 4.1f, 4.3f, 4.3f, 3.2f, 2.6f,
                                     3.3f, 1.7f, 3.7f, 3.3f, 4.2f, 3.5f, 2.9f, 2.1f, 2.8f, 4.0f, 3.3f, 3.7f, 3.6f};
    std::vector<float> kg{10, 5, 3, 6, 3, 5, 8, 5, 5, 6, 4, 6, 5, 5, 4, 4, 6, 4, 6, 6, 7, 8,
                          5,  5, 6, 6, 5, 4, 5, 6, 6, 7, 5, 7, 6, 5, 9, 7, 8, 7, 6, 5, 5};
    for (float& score : kg) score = -score;
    const std::vector<int> helped{0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 0, 1, 1, 0,
                                  1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 1, 1};
    const auto r = delong(albumin, kg, helped);
    CHECK(r.first.area == doctest::Approx(0.7366).epsilon(1e-4));
    CHECK(r.second.area == doctest::Approx(0.7258).epsilon(1e-4));
    CHECK(std::sqrt(r.first.variance) == doctest::Approx(0.0927).epsilon(1e-3));
    CHECK(std::sqrt(r.second.variance) == doctest::Approx(0.1028).epsilon(1e-3));
    CHECK(r.difference == doctest::Approx(0.0108).epsilon(1e-2));
    CHECK(std::sqrt(r.variance) == doctest::Approx(0.0953).epsilon(1e-3));
    CHECK(r.p_value == doctest::Approx(0.9102).epsilon(1e-3));
}

TEST_CASE("DeLong's result depends on ranks alone, and swapping the models turns the sign") {
    random_stream stream{seed{5}, "ranks"};
    const auto s = auroc_tests::simulate(stream, 60, 1.0f);
    auto transformed = s.first;
    for (float& score : transformed) score = std::exp(score);
    const auto r = delong(s.first, s.second, s.labels), same = delong(transformed, s.second, s.labels);
    const auto swapped = delong(s.second, s.first, s.labels);
    CHECK(same.p_value == r.p_value);
    CHECK(same.variance == r.variance);
    CHECK(swapped.difference == -r.difference);
    CHECK(swapped.p_value == doctest::Approx(r.p_value).epsilon(1e-14));
    CHECK(r.confidence.contains(r.difference));
}

TEST_CASE("DeLong's 95 % interval holds the true area in about 95 % of studies, and its test rejects equal models in about 5 %") {
    random_stream stream{seed{11}, "delong"};
    const double truth = normal_cdf(1.5 / 2.0); // noise of variance 2 in either class: the difference has variance 4
    int covered = 0, rejected = 0;
    for (int trial = 0; trial < 1000; ++trial) {
        const auto s = auroc_tests::simulate(stream, 150, 1.5f);
        const auto r = delong(s.first, s.second, s.labels);
        covered += r.first.confidence.contains(truth);
        rejected += r.p_value <= 0.05;
    }
    CHECK(covered > 925); // 950 +- 7
    CHECK(covered < 972);
    CHECK(rejected > 28); // 50 +- 7
    CHECK(rejected < 75);
}

TEST_CASE("what DeLong cannot know is NaN: a class missing, or one sample of it") {
    const auto none = delong(std::vector<float>{1, 2, 3}, std::vector<int>{1, 1, 1});
    CHECK(std::isnan(none.area));
    CHECK(std::isnan(none.variance));
    CHECK(std::isnan(none.confidence.low));
    CHECK(std::isnan(delong(std::vector<float>{}, std::vector<int>{}).area));
    const auto one = delong(std::vector<float>{1, 2, 3}, std::vector<float>{3, 1, 2}, std::vector<int>{0, 0, 1});
    CHECK(one.first.area == 1.0);
    CHECK(one.second.area == 0.5);
    CHECK(std::isnan(one.first.variance));
    CHECK(std::isnan(one.first.confidence.high));
    CHECK(std::isnan(one.p_value));
    CHECK(std::isnan(delong(std::vector<float>{1, 2}, std::vector<float>{1, 2}, std::vector<int>{0, 0}).p_value));
}

TEST_CASE("perfect, tied and equal rankings: areas without variance; equal models have p = 1, others without variance no p") {
    const std::vector<int> labels{0, 0, 1, 1};
    const std::vector<float> right{1, 2, 3, 4}, wrong{4, 3, 2, 1}, tied{7, 7, 7, 7};
    CHECK(delong(right, labels).area == 1.0);
    CHECK(delong(right, labels).variance == 0.0);
    CHECK(delong(wrong, labels).area == 0.0);
    CHECK(delong(tied, labels).area == 0.5);
    CHECK(delong(tied, labels).variance == 0.0);
    CHECK(delong(right, right, labels).p_value == 1.0);
    CHECK(delong(right, wrong, labels).difference == 1.0);
    CHECK(std::isnan(delong(right, wrong, labels).p_value));
}

TEST_CASE("DeLong refuses labels, sizes and scores that are wrong") {
    const std::vector<float> scores{1, 2, 3};
    CHECK_THROWS_AS(delong(scores, std::vector<int>{0, 1, 2}), label_error);
    CHECK_THROWS_AS(delong(scores, std::vector<int>{0, 1}), shape_mismatch);
    CHECK_THROWS_AS(delong(scores, std::vector<float>{1, 2}, std::vector<int>{0, 1, 1}), shape_mismatch);
    CHECK_THROWS_AS(delong(std::vector<float>{1, std::numeric_limits<float>::quiet_NaN()}, std::vector<int>{0, 1}), error);
    CHECK_THROWS_AS(delong(scores, std::vector<int>{0, 1, 1}, 1.0), option_error);
}
