// SPDX-License-Identifier: MIT
#include <umsrep/statistics/mcnemar.hpp>
#include <umsrep/statistics/wilcoxon.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <umsrep/core/random.hpp>

#include <tests/support/fixture.hpp>

using namespace umsrep;
using namespace umsrep::statistics;

TEST_CASE("McNemar's test agrees with statsmodels, exact and corrected") {
    const auto file = test::fixture("statistics");
    const auto pairs = file.values<int>("mcnemar.pairs");
    for (std::size_t i = 0; 2 * i < pairs.size(); ++i) {
        CAPTURE(pairs[2 * i]);
        const auto r = mcnemar(static_cast<std::uint64_t>(pairs[2 * i]), static_cast<std::uint64_t>(pairs[2 * i + 1]));
        CHECK(r.exact_p == doctest::Approx(file.values<double>("mcnemar.exact_p")[i]).epsilon(1e-12));
        CHECK(r.chi_square == doctest::Approx(file.values<double>("mcnemar.chi_square")[i]).epsilon(1e-14));
        CHECK(r.chi_square_p == doctest::Approx(file.values<double>("mcnemar.chi_square_p")[i]).epsilon(1e-12));
    }
}

TEST_CASE("McNemar counts who alone was right, whatever both got right or wrong, and is symmetric") {
    const std::vector<int> truth{0, 1, 2, 2, 1, 0, 0}, first{0, 1, 0, 2, 1, 2, 0}, second{0, 0, 2, 2, 0, 1, 1};
    const auto r = mcnemar(truth, first, second), swapped = mcnemar(truth, second, first);
    CHECK(r.only_first == 3);
    CHECK(r.only_second == 1);
    CHECK(swapped.only_first == 1);
    CHECK(swapped.exact_p == r.exact_p);
    CHECK(r.exact_p == doctest::Approx(10.0 / 16)); // twice (1 + 4) / 16
    CHECK_THROWS_AS(mcnemar(truth, first, std::vector<int>{0}), shape_mismatch);
}

TEST_CASE("without discordant samples, or with as many on both sides, nothing speaks against equality") {
    for (const std::uint64_t n : {0u, 1u, 40u}) {
        const auto r = mcnemar(n, n);
        CHECK(r.exact_p == 1.0);
        CHECK(r.chi_square == 0.0);
        CHECK(r.chi_square_p == 1.0);
    }
    CHECK(mcnemar(std::vector<int>{}, std::vector<int>{}, std::vector<int>{}).exact_p == 1.0);
}

TEST_CASE("the exact McNemar test rejects a true null hypothesis in at most 5 % of cases, the corrected one about as rarely") {
    double exact = 0.0, corrected = 0.0, all = 0.0; // exactly, over the binomial distribution of 60 discordant samples
    for (std::uint64_t b = 0; b <= 60; ++b) {
        const double probability = binomial_cdf(b, 60, 0.5) - (b == 0 ? 0.0 : binomial_cdf(b - 1, 60, 0.5));
        const auto r = mcnemar(b, 60 - b);
        all += probability;
        if (r.exact_p <= 0.05) exact += probability;
        if (r.chi_square_p <= 0.05) corrected += probability;
    }
    CHECK(all == doctest::Approx(1.0));
    CHECK(exact <= 0.05);
    CHECK(exact > 0.02);
    CHECK(corrected == doctest::Approx(exact).epsilon(0.2));
}

TEST_CASE("Wilcoxon's test agrees with scipy: exact, exact with ties, and normal with ties, zeros and continuity") {
    const auto file = test::fixture("statistics");
    for (const std::string name : {"exact5", "exact12", "exact50", "tied11", "normal20", "normal90"}) {
        CAPTURE(name);
        const auto r = wilcoxon(file.values<double>("wilcoxon." + name + ".d"), name == "normal20" ? 0 : 50);
        CHECK(r.exact == (name.substr(0, 6) != "normal"));
        CHECK(std::min(r.positive_ranks, r.negative_ranks) == file.values<double>("wilcoxon." + name + ".statistic")[0]);
        CHECK(r.p_value == doctest::Approx(file.values<double>("wilcoxon." + name + ".p")[0]).epsilon(1e-12));
    }
}

TEST_CASE("Darwin's self- and cross-fertilised plants, as in scipy.stats.wilcoxon's documentation") {
    const std::vector<double> differences{49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48};
    const auto r = wilcoxon(differences);
    CHECK(r.negative_ranks == 24.0);
    CHECK(r.positive_ranks == 96.0);
    CHECK(r.p_value == 0.041259765625);
}

TEST_CASE("Wilcoxon depends on signs and order of sizes alone: order, scale and swapping change nothing") {
    const std::vector<double> d{0.3, -1.2, 2.2, 0.9, 3.1, -0.1, 0.8};
    const auto r = wilcoxon(d);
    auto turned = d;
    for (double& value : turned) value *= -1000.0;
    std::swap(turned[0], turned[6]);
    const auto s = wilcoxon(turned);
    CHECK(s.positive_ranks == r.negative_ranks);
    CHECK(s.p_value == r.p_value);
    CHECK(wilcoxon(std::vector<double>{1, 2, 3}, std::vector<double>{0, 4, 2.5}).p_value ==
          wilcoxon(std::vector<double>{1, -2, 0.5}).p_value);
}

TEST_CASE("equal pairs are left out; when all are equal, p is 1") {
    const auto r = wilcoxon(std::vector<double>{0, 1.5, 0, -0.5, 2, 0});
    CHECK(r.pairs == 3);
    CHECK(r.p_value == wilcoxon(std::vector<double>{1.5, -0.5, 2}).p_value);
    for (const std::size_t size : {0u, 3u, 200u}) {
        const auto equal = wilcoxon(std::vector<double>(size, 0.0));
        CHECK(equal.pairs == 0);
        CHECK(equal.p_value == 1.0);
    }
    // One pair, or ties only, can never be significant, or only as far as their signs are.
    CHECK(wilcoxon(std::vector<double>{5.0}).p_value == 1.0);
    CHECK(wilcoxon(std::vector<double>(6, 2.0)).p_value == doctest::Approx(2.0 / 64));
    CHECK_THROWS_AS(wilcoxon(std::vector<double>{1.0, std::numeric_limits<double>::quiet_NaN()}), error);
    CHECK_THROWS_AS(wilcoxon(std::vector<double>{1.0}, std::vector<double>{1.0, 2.0}), shape_mismatch);
}

TEST_CASE("Wilcoxon rejects symmetric differences in about 5 % of cases, on both sides of the exact limit") {
    random_stream stream{seed{3}, "wilcoxon"};
    for (const std::size_t pairs : {20u, 80u}) {
        CAPTURE(pairs);
        int rejected = 0;
        for (int trial = 0; trial < 2000; ++trial) {
            std::vector<double> d;
            for (std::size_t i = 0; i < pairs; ++i) d.push_back(std::round(4 * static_cast<double>(stream.normal())) / 4);
            rejected += wilcoxon(d).p_value <= 0.05;
        }
        CHECK(rejected > 65);
        CHECK(rejected < 130); // 100 +- 10
    }
}
