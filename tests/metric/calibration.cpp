// SPDX-License-Identifier: MIT
#include <umsrep/metric/calibration.hpp>
#include <umsrep/metric/temperature.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <umsrep/core/random.hpp>

#include <tests/support/fixture.hpp>

using namespace umsrep;
using namespace umsrep::metric;

TEST_CASE("Brier score and expected calibration error agree with scikit-learn and with binning in NumPy") {
    const auto file = test::fixture("metric");
    const auto truth = file.values<int>("calibration.truth");
    const auto probability = file.values<float>("calibration.probability");
    const auto expected = [&](const char* name) { return file.values<double>(std::string{"calibration."} + name)[0]; };
    CHECK(brier(probability, truth, 3) == doctest::Approx(expected("brier")).epsilon(1e-12));
    CHECK(expected_calibration_error(probability, truth, 3, 5) == doctest::Approx(expected("ece5")).epsilon(1e-12));
    CHECK(expected_calibration_error(probability, truth, 3) == doctest::Approx(expected("ece15")).epsilon(1e-12));
}

TEST_CASE("the Brier score by hand: 0 when sure and right, 2 when sure and wrong, per sample") {
    const std::vector<float> p{1, 0, 0, 1, 0.75f, 0.25f};
    CHECK(brier_per_sample(p, std::vector<int>{0, 0, 1}, 2) == std::vector<double>{0.0, 2.0, 1.125});
    CHECK(brier(p, std::vector<int>{0, 0, 1}, 2) == doctest::Approx(3.125 / 3));
    CHECK(std::isnan(brier({}, {}, 2)));
}

TEST_CASE("bins hold their upper edge; their gaps are weighted by their counts") {
    reliability r{4};
    r.add(std::vector<float>{0.5f, 0.5f, 0.25f, 0.75f, 0.125f, 0.875f, 0, 1}, std::vector<int>{0, 1, 0, 1}, 2);
    CHECK(r.bins()[1].count == 1);
    CHECK(r.bins()[2].count == 1);
    CHECK(r.bins()[3].count == 2);
    CHECK(r.bins()[3].correct == 1);
    CHECK(r.bins()[3].mean_confidence() == 0.9375);
    CHECK(r.bins()[3].accuracy() == 0.5);
    CHECK(std::isnan(r.bins()[0].accuracy()));
    CHECK(r.expected_error() == doctest::Approx((0.5 + 0.25 + 2 * 0.4375) / 4));
    CHECK(std::isnan(reliability{}.expected_error()));
}

TEST_CASE("a batch in parts gives the bins of the whole; one bin compares accuracy with mean confidence") {
    const auto file = test::fixture("metric");
    const auto truth = file.values<int>("calibration.truth");
    const auto probability = file.values<float>("calibration.probability");
    reliability parts;
    parts.add(std::span{probability}.first(30), std::span{truth}.first(10), 3);
    parts.add(std::span{probability}.subspan(30), std::span{truth}.subspan(10), 3);
    CHECK(parts.expected_error() == expected_calibration_error(probability, truth, 3));
    CHECK(expected_calibration_error(std::vector<float>{0.9f, 0.1f, 0.4f, 0.6f}, std::vector<int>{0, 0}, 2, 1) ==
          doctest::Approx(std::abs(0.5 - 0.75)).epsilon(1e-6));
}

TEST_CASE("calibration refuses what is no probability, no class or another size, and counts nothing of it") {
    reliability r;
    const float nan = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_AS(r.add(std::vector<float>{0.5f, 0.5f, 1.5f, 0}, std::vector<int>{0, 0}, 2), error);
    CHECK_THROWS_AS(r.add(std::vector<float>{0.5f, nan}, std::vector<int>{0}, 2), error);
    CHECK_THROWS_AS(r.add(std::vector<float>{0.5f, 0.5f}, std::vector<int>{2}, 2), label_error);
    CHECK_THROWS_AS(r.add(std::vector<float>{0.5f}, std::vector<int>{0}, 2), shape_mismatch);
    CHECK_THROWS_AS(r.add(std::vector<float>{}, std::vector<int>{}, 0), option_error);
    CHECK(std::isnan(r.expected_error()));
    CHECK_THROWS_AS(reliability{0}, option_error);
}

TEST_CASE("the fitted temperature and its losses agree with scipy's minimum") {
    const auto file = test::fixture("metric");
    const auto fit = fit_temperature(file.values<float>("calibration.logits"), file.values<int>("calibration.truth"), 3);
    CHECK(fit.temperature == doctest::Approx(file.values<double>("calibration.temperature")[0]).epsilon(1e-6));
    CHECK(fit.loss_before == doctest::Approx(file.values<double>("calibration.loss_before")[0]).epsilon(1e-6));
    CHECK(fit.loss_after == doctest::Approx(file.values<double>("calibration.loss_after")[0]).epsilon(1e-9));
}

TEST_CASE("logits multiplied by k need a temperature k times as high; shifted per sample, the same") {
    random_stream stream{seed{9}, "temperature"};
    std::vector<float> logits, scaled, shifted;
    std::vector<int> truth;
    for (int i = 0; i < 100; ++i) {
        truth.push_back(static_cast<int>(stream.below(3)));
        const float shift = 100.0f * std::round(stream.normal());
        for (int c = 0; c < 3; ++c) {
            const float logit = std::round(64.0f * (stream.normal() + (c == truth.back() ? 1.0f : 0.0f))) / 64.0f;
            logits.push_back(logit);
            scaled.push_back(8.0f * logit);
            shifted.push_back(logit + shift);
        }
    }
    const auto fit = fit_temperature(logits, truth, 3);
    CHECK(fit_temperature(scaled, truth, 3).temperature == doctest::Approx(8 * fit.temperature).epsilon(1e-9));
    CHECK(fit_temperature(scaled, truth, 3).loss_after == doctest::Approx(fit.loss_after).epsilon(1e-12));
    CHECK(fit_temperature(shifted, truth, 3).temperature == doctest::Approx(fit.temperature).epsilon(1e-9));
    CHECK(fit.loss_after <= fit.loss_before);
}

TEST_CASE("one logit is two of which the first is 0; labels drawn by its own sigmoid need temperature 1") {
    random_stream stream{seed{10}, "sigmoid"};
    std::vector<float> logits, both;
    std::vector<int> positive;
    for (int i = 0; i < 20'000; ++i) {
        logits.push_back(2.0f * stream.normal());
        both.insert(both.end(), {0.0f, logits.back()});
        positive.push_back(stream.uniform() < 1.0f / (1.0f + std::exp(-logits.back())));
    }
    const auto fit = fit_temperature(logits, positive);
    CHECK(fit.temperature == fit_temperature(both, positive, 2).temperature);
    CHECK(fit.temperature == doctest::Approx(1.0).epsilon(0.04));
}

TEST_CASE("without an optimum the temperature is the bound: least for samples all right, greatest for logits that mislead") {
    CHECK(fit_temperature(std::vector<float>{3, -2}, std::vector<int>{1, 0}).temperature == doctest::Approx(least_temperature));
    CHECK(fit_temperature(std::vector<float>{-3, 2}, std::vector<int>{1, 0}).temperature == doctest::Approx(greatest_temperature));
    CHECK(fit_temperature(std::vector<float>{0, 0, 0}, std::vector<int>{2}, 3).loss_after == doctest::Approx(std::log(3.0)));
    const float infinity = std::numeric_limits<float>::infinity();
    CHECK_THROWS_AS(fit_temperature(std::vector<float>{infinity}, std::vector<int>{1}), error);
    CHECK_THROWS_AS(fit_temperature(std::vector<float>{1}, std::vector<int>{2}), label_error);
    CHECK_THROWS_AS(fit_temperature(std::vector<float>{1, 2}, std::vector<int>{0}), shape_mismatch);
    CHECK_THROWS_AS(fit_temperature(std::vector<float>{}, std::vector<int>{}), option_error);
    CHECK_THROWS_AS(fit_temperature(std::vector<float>{1}, std::vector<int>{0}, 1), option_error);
}
