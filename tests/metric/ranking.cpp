// SPDX-License-Identifier: MIT
#include <umsrep/metric/ranking.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <tests/support/fixture.hpp>
#include <umsrep/core/random.hpp>

using namespace umsrep;
using namespace umsrep::metric;

TEST_CASE("AUROC is the share of pairs in the right order, a tie counting one half") {
    const std::vector<float> scores{.9f, .4f, .4f, .1f};
    CHECK(auroc(scores, std::vector{1, 1, 0, 0}) == doctest::Approx((1 + 1 + .5 + 1) / 4));
    CHECK(auroc(scores, std::vector{0, 0, 1, 1}) == doctest::Approx((0 + 0 + .5 + 0) / 4));
    CHECK(auroc(std::vector<float>(5, .3f), std::vector{1, 0, 0, 1, 0}) == 0.5);

    random_stream draw{seed{17}};
    std::vector<float> s;
    std::vector<int> y;
    for (int i = 0; i < 60; ++i) {
        y.push_back(static_cast<int>(draw.below(2)));
        s.push_back(static_cast<float>(draw.below(9)));
    }
    double right = 0, pairs = 0;
    for (std::size_t p = 0; p < y.size(); ++p)
        for (std::size_t n = 0; n < y.size(); ++n)
            if (y[p] == 1 && y[n] == 0) {
                right += s[p] > s[n] ? 1.0 : s[p] == s[n] ? 0.5 : 0.0;
                ++pairs;
            }
    CHECK(auroc(s, y) == doctest::Approx(right / pairs).epsilon(1e-14));
}

TEST_CASE("average precision steps down the ranking without interpolation") {
    // hits at ranks 1, 3, 4 of 5: (1/1 + 2/3 + 3/4) / 3
    CHECK(average_precision(std::vector<float>{5, 4, 3, 2, 1}, std::vector{1, 0, 1, 1, 0}) ==
          doctest::Approx((1.0 + 2.0 / 3 + 3.0 / 4) / 3));
    // equal scores are one threshold: precision is the prevalence
    CHECK(average_precision(std::vector<float>(4, 1.0f), std::vector{1, 0, 0, 0}) == 0.25);
}

TEST_CASE("AUROC and average precision agree with scikit-learn, with and without ties") {
    const auto file = test::fixture("metric");
    for (const std::string name : {"smooth", "tied"}) {
        CAPTURE(name);
        const auto scores = file.values<float>(name + ".score");
        const auto positive = file.values<int>(name + ".positive");
        CHECK(auroc(scores, positive) == doctest::Approx(file.values<double>(name + ".auroc")[0]).epsilon(1e-12));
        CHECK(average_precision(scores, positive) ==
              doctest::Approx(file.values<double>(name + ".average_precision")[0]).epsilon(1e-12));
    }
    const auto expected = file.values<double>("rest.auroc");
    const auto got = auroc_one_vs_rest(file.values<float>("rest.score"), file.values<int>("rest.truth"), 3);
    REQUIRE(got.size() == 3);
    for (std::size_t c = 0; c < 3; ++c) CHECK(got[c] == doctest::Approx(expected[c]).epsilon(1e-12));
}

TEST_CASE("the order in which batches arrive does not matter") {
    ranked_scores ab, ba;
    const std::vector<float> a{.3f, .5f, .5f}, b{.1f, .5f};
    const std::vector<int> ya{0, 1, 0}, yb{1, 1};
    ab.add(a, ya);
    ab.add(b, yb);
    ba.add(b, yb);
    ba.add(a, ya);
    CHECK(ab.size() == 5);
    CHECK(ab.auroc() == ba.auroc());
    CHECK(ab.average_precision() == ba.average_precision());
}

TEST_CASE("a missing class makes a ranking metric NaN") {
    CHECK(std::isnan(auroc(std::vector<float>{1, 2}, std::vector{1, 1})));
    CHECK(std::isnan(auroc(std::vector<float>{1, 2}, std::vector{0, 0})));
    CHECK(std::isnan(average_precision(std::vector<float>{1, 2}, std::vector{0, 0})));
    CHECK(average_precision(std::vector<float>{1, 2}, std::vector{1, 1}) == 1.0);
    CHECK(std::isnan(auroc({}, {})));
    const auto each = auroc_one_vs_rest(std::vector<float>{.9f, .1f, 0, .2f, .8f, 0}, std::vector{0, 1}, 3);
    CHECK(each[0] == 1.0);
    CHECK(std::isnan(each[2]));
    CHECK(mean_of_defined(each) == 1.0);
}

TEST_CASE("infinite scores rank, NaN scores and foreign labels throw and add nothing") {
    const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    CHECK(auroc(std::vector{inf, 0.0f, -inf}, std::vector{1, 0, 0}) == 1.0);
    ranked_scores r;
    CHECK_THROWS_AS(r.add(std::vector{1.0f, nan}, std::vector{0, 1}), error);
    CHECK_THROWS_WITH_AS(r.add(std::vector{1.0f}, std::vector{2}), "label of a score: expected 0 or 1, got 2", label_error);
    CHECK_THROWS_AS(r.add(std::vector{1.0f, 2.0f}, std::vector{1}), shape_mismatch);
    CHECK(r.size() == 0);
    CHECK_THROWS_AS(auroc_one_vs_rest(std::vector<float>{1, 2, 3}, std::vector{0, 1}, 2), shape_mismatch);
    CHECK_THROWS_AS(auroc_one_vs_rest(std::vector<float>{1, 2, 3, 4}, std::vector{0, 2}, 2), label_error);
}
