// SPDX-License-Identifier: MIT
#include <umsrep/statistics/bland_altman.hpp>
#include <umsrep/statistics/holm.hpp>
#include <umsrep/statistics/mean_interval.hpp>
#include <umsrep/statistics/quantile.hpp>
#include <umsrep/statistics/wilson.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <umsrep/core/random.hpp>

#include <tests/support/fixture.hpp>

using namespace umsrep;
using namespace umsrep::statistics;

namespace interval_tests {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

} // namespace interval_tests

TEST_CASE("Holm's adjusted p-values agree with statsmodels and with a worked example") {
    const auto file = test::fixture("statistics");
    const auto adjusted = holm(file.values<double>("holm.p")), expected = file.values<double>("holm.adjusted");
    REQUIRE(adjusted.size() == expected.size());
    for (std::size_t i = 0; i < adjusted.size(); ++i) CHECK(adjusted[i] == doctest::Approx(expected[i]).epsilon(1e-14));

    // pingouin.holm's documentation
    const auto example = holm(std::vector<double>{.50, .003, .32, .054, .0003});
    const std::vector<double> printed{0.64, 0.012, 0.64, 0.162, 0.0015};
    for (std::size_t i = 0; i < printed.size(); ++i) CHECK(example[i] == doctest::Approx(printed[i]));
}

TEST_CASE("Holm's values lie between the p-values and Bonferroni's, keep their order, and follow a permutation") {
    const std::vector<double> p{0.04, 0.001, 0.04, 0.2, 0.9, 0.012};
    const auto adjusted = holm(p);
    for (std::size_t i = 0; i < p.size(); ++i) {
        CHECK(adjusted[i] >= p[i]);
        CHECK(adjusted[i] <= std::min(1.0, 6 * p[i]));
        for (std::size_t j = 0; j < p.size(); ++j)
            if (p[i] <= p[j]) CHECK(adjusted[i] <= adjusted[j]);
    }
    auto reversed = p;
    std::ranges::reverse(reversed);
    auto back = holm(reversed);
    std::ranges::reverse(back);
    CHECK(back == adjusted);
    CHECK(holm(std::vector<double>{}).empty());
    CHECK(holm(std::vector<double>{0.03}) == std::vector<double>{0.03});
    CHECK_THROWS_WITH_AS(holm(std::vector<double>{0.1, 1.5}), "p-value: expected a number in [0, 1], got 1.500000", option_error);
    CHECK_THROWS_AS(holm(std::vector<double>{interval_tests::nan}), option_error);
}

TEST_CASE("Wilson's interval agrees with statsmodels and with Newcombe's table I") {
    const auto file = test::fixture("statistics");
    const auto counts = file.values<int>("wilson.counts");
    const auto expected = file.values<double>("wilson.interval"), expected80 = file.values<double>("wilson.interval80");
    for (std::size_t i = 0; 2 * i < counts.size(); ++i) {
        const auto successes = static_cast<std::uint64_t>(counts[2 * i]), trials = static_cast<std::uint64_t>(counts[2 * i + 1]);
        CHECK(std::abs(wilson_interval(successes, trials).low - expected[2 * i]) < 1e-14);
        CHECK(std::abs(wilson_interval(successes, trials).high - expected[2 * i + 1]) < 1e-14);
        CHECK(std::abs(wilson_interval(successes, trials, 0.8).low - expected80[2 * i]) < 1e-14);
        CHECK(std::abs(wilson_interval(successes, trials, 0.8).high - expected80[2 * i + 1]) < 1e-14);
    }
    // Newcombe, Stat. Med. 17, 1998, table I, method 3
    const auto at = [](std::uint64_t k, std::uint64_t n, double low, double high) {
        const auto w = wilson_interval(k, n);
        return std::abs(w.low - low) < 5e-5 && std::abs(w.high - high) < 5e-5;
    };
    CHECK(at(81, 263, 0.2553, 0.3662));
    CHECK(at(15, 148, 0.0624, 0.1605));
    CHECK(at(0, 20, 0.0, 0.1611));
    CHECK(at(1, 29, 0.0061, 0.1718));
}

TEST_CASE("Wilson's interval mirrors, stays in [0, 1], and is unknown without trials") {
    for (std::uint64_t k = 0; k <= 12; ++k) {
        const auto w = wilson_interval(k, 12), mirrored = wilson_interval(12 - k, 12);
        CHECK(w.low == doctest::Approx(1.0 - mirrored.high));
        CHECK(w.low >= 0.0);
        CHECK(w.high <= 1.0);
        CHECK(w.contains(static_cast<double>(k) / 12));
    }
    CHECK(wilson_interval(0, 5).low == 0.0);
    CHECK(wilson_interval(5, 5).high == 1.0);
    CHECK(std::isnan(wilson_interval(0, 0).low));
    CHECK_THROWS_AS(wilson_interval(6, 5), option_error);
    CHECK_THROWS_AS(wilson_interval(1, 5, 0.0), option_error);
}

TEST_CASE("the interval of a mean over seeds agrees with scipy; one seed has no interval") {
    const auto file = test::fixture("statistics");
    const auto m = mean_interval(file.values<double>("mean.values"));
    CHECK(m.count == 5);
    CHECK(m.confidence.low == doctest::Approx(file.values<double>("mean.interval")[0]).epsilon(1e-12));
    CHECK(m.confidence.high == doctest::Approx(file.values<double>("mean.interval")[1]).epsilon(1e-12));

    const auto one = mean_interval(std::vector<double>{0.8});
    CHECK(one.mean == 0.8);
    CHECK(std::isnan(one.standard_deviation));
    CHECK(std::isnan(one.confidence.low));
    CHECK(std::isnan(mean_interval({}).mean));
    const auto equal = mean_interval(std::vector<double>(4, 0.5));
    CHECK(equal.confidence.low == 0.5);
    CHECK(equal.confidence.high == 0.5);
    CHECK(std::isnan(mean_interval(std::vector<double>{1.0, interval_tests::nan}).confidence.low));
}

TEST_CASE("the interval of a mean of 3 normal values holds the true mean in 95 % of cases") {
    random_stream stream{seed{1}, "mean"};
    int covered = 0;
    for (int trial = 0; trial < 4000; ++trial) {
        std::vector<double> values;
        for (int i = 0; i < 3; ++i) values.push_back(2.0 + static_cast<double>(stream.normal()));
        covered += mean_interval(values).confidence.contains(2.0);
    }
    CHECK(covered > 3745); // 3800 +- 14
    CHECK(covered < 3855);
}

TEST_CASE("Bland and Altman, 1986: peak flow by two meters") {
    const std::vector<double> wright{494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427};
    const std::vector<double> mini{512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451};
    const auto a = bland_altman(wright, mini);
    const auto printed = [](double value, double expected) { return std::abs(value - expected) <= 0.051; };
    CHECK(a.count == 17);
    CHECK(printed(a.bias, -2.1));
    CHECK(printed(a.standard_deviation, 38.8));
    CHECK(printed(a.bias_confidence.low, -22.0)); // printed as -22.0 and 17.8
    CHECK(printed(a.bias_confidence.high, 17.8));
    CHECK(std::abs(a.limits.low + 79.7) < 2.0); // there 2 standard deviations, not 1.96
    CHECK(std::abs(a.limits.high - 75.5) < 2.0);
}

TEST_CASE("limits of agreement and their intervals agree with the formulas of 1999 in scipy") {
    const auto file = test::fixture("statistics");
    const auto measured = file.values<double>("agreement.measured"), reference = file.values<double>("agreement.reference");
    const auto a = bland_altman(measured, reference);
    const std::vector<double> got{a.bias, a.standard_deviation, a.limits.low, a.limits.high, a.bias_confidence.low,
                                  a.bias_confidence.high, a.lower_limit_confidence.low, a.lower_limit_confidence.high,
                                  a.upper_limit_confidence.low, a.upper_limit_confidence.high};
    const auto expected = file.values<double>("agreement.expected");
    REQUIRE(got.size() == expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == doctest::Approx(expected[i]).epsilon(1e-11));

    const auto swapped = bland_altman(reference, measured);
    CHECK(swapped.bias == doctest::Approx(-a.bias));
    CHECK(swapped.limits.low == doctest::Approx(-a.limits.high));
    CHECK(swapped.upper_limit_confidence.high == doctest::Approx(-a.lower_limit_confidence.low));
}

TEST_CASE("agreement of too few pairs is unknown; equal ones have limits of width 0; NaN is refused") {
    const auto one = bland_altman(std::vector<double>{3.0}, std::vector<double>{2.0});
    CHECK(one.bias == 1.0);
    CHECK(std::isnan(one.limits.low));
    CHECK(std::isnan(bland_altman({}, {}).bias));
    const auto shifted = bland_altman(std::vector<double>{3, 4, 5}, std::vector<double>{1, 2, 3});
    CHECK(shifted.limits.low == 2.0);
    CHECK(shifted.limits.high == 2.0);
    CHECK_THROWS_AS(bland_altman(std::vector<double>{interval_tests::nan}, std::vector<double>{1.0}), error);
    CHECK_THROWS_AS(bland_altman(std::vector<double>{1.0}, {}), shape_mismatch);
}

TEST_CASE("quantiles interpolate between the two nearest values; infinite ones are kept") {
    const std::vector<double> values{1, 2, 4, 8};
    CHECK(quantile_of_sorted(values, 0.0) == 1.0);
    CHECK(quantile_of_sorted(values, 1.0) == 8.0);
    CHECK(quantile_of_sorted(values, 0.5) == 3.0);
    CHECK(quantile_of_sorted(values, 0.75) == doctest::Approx(5.0));
    const double infinity = std::numeric_limits<double>::infinity();
    CHECK(quantile_of_sorted(std::vector<double>{1, infinity, infinity}, 0.8) == infinity);
    CHECK(std::isnan(quantile_of_sorted({}, 0.5)));
    CHECK_THROWS_AS(quantile_of_sorted(values, 1.01), option_error);
}
