// SPDX-License-Identifier: MIT
#include <umsrep/metric/overlap.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include <tests/support/fixture.hpp>

using namespace umsrep;
using namespace umsrep::metric;

TEST_CASE("Dice and IoU are 2|A and B| / (|A| + |B|) and |A and B| / |A or B|") {
    const auto o = overlap_of(std::vector<float>{.9f, .8f, .2f, .6f, 0}, std::vector<float>{1, 1, 1, 0, 0});
    CHECK(o == overlap{2, 3, 3});
    CHECK(dice(o) == doctest::Approx(4.0 / 6));
    CHECK(iou(o) == doctest::Approx(2.0 / 4));
    CHECK(dice(o) == doctest::Approx(2 * iou(o) / (1 + iou(o))));
}

TEST_CASE("a pixel is in the prediction when it is above the threshold, not at it") {
    CHECK(overlap_of(std::vector<float>{.5f, .51f}, std::vector<float>{1, 1}).predicted == 1);
    CHECK(overlap_of(std::vector<float>{0, .1f, -.1f}, std::vector<float>{1, 1, 1}, 0.0f).predicted == 1);
}

TEST_CASE("two empty masks agree perfectly, one empty mask not at all") {
    CHECK(dice(overlap{}) == 1.0);
    CHECK(iou(overlap{}) == 1.0);
    CHECK(dice(overlap{0, 0, 4}) == 0.0);
    CHECK(iou(overlap{0, 4, 0}) == 0.0);
}

TEST_CASE("pooled and per-image averages differ: a large image outweighs a small one only when pooled") {
    mask_overlap m;
    m.add(overlap{100, 100, 100});
    m.add(overlap{0, 1, 1});
    CHECK(m.mean_dice() == doctest::Approx(0.5));
    CHECK(m.mean_iou() == doctest::Approx(0.5));
    CHECK(m.pooled_dice() == doctest::Approx(200.0 / 202));
    CHECK(m.pooled_iou() == doctest::Approx(100.0 / 102));
    CHECK(m.images().size() == 2);
    CHECK(m.pooled() == overlap{100, 101, 101});
}

TEST_CASE("pooled and per-image Dice and IoU agree with scikit-learn's F1 and Jaccard") {
    const auto file = test::fixture("metric");
    const auto predicted = file.values<float>("mask.predicted"), truth = file.values<float>("mask.truth");
    const auto each_dice = file.values<double>("mask.dice.per_image"), each_iou = file.values<double>("mask.iou.per_image");
    mask_overlap m;
    m.add(predicted, truth, each_dice.size());
    REQUIRE(m.images().size() == each_dice.size());
    for (std::size_t i = 0; i < each_dice.size(); ++i) {
        CHECK(dice(m.images()[i]) == doctest::Approx(each_dice[i]).epsilon(1e-12));
        CHECK(iou(m.images()[i]) == doctest::Approx(each_iou[i]).epsilon(1e-12));
    }
    CHECK(m.pooled_dice() == doctest::Approx(file.values<double>("mask.dice.pooled")[0]).epsilon(1e-12));
    CHECK(m.pooled_iou() == doctest::Approx(file.values<double>("mask.iou.pooled")[0]).epsilon(1e-12));
    CHECK(m.mean_dice() == doctest::Approx(mean_of_defined(each_dice)).epsilon(1e-12));
    CHECK(m.mean_iou() == doctest::Approx(mean_of_defined(each_iou)).epsilon(1e-12));
}

TEST_CASE("class maps are compared one label at a time") {
    const std::vector predicted{0, 1, 2, 2}, truth{0, 2, 2, 1};
    CHECK(overlap_of(predicted, truth, 2) == overlap{1, 2, 2});
    CHECK(overlap_of(predicted, truth, 1) == overlap{0, 1, 1});
    CHECK(overlap_of(predicted, truth, 7) == overlap{});
    CHECK_THROWS_AS(overlap_of(predicted, std::vector{0}, 2), shape_mismatch);
}

TEST_CASE("while no image was added there is no Dice") {
    const mask_overlap m;
    CHECK(std::isnan(m.mean_dice()));
    CHECK(std::isnan(m.mean_iou()));
    CHECK(std::isnan(m.pooled_dice()));
    CHECK(std::isnan(m.pooled_iou()));
}

TEST_CASE("a soft true mask, NaN and wrong sizes throw and add nothing") {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    mask_overlap m;
    CHECK_THROWS_AS(m.add(std::vector<float>{1, 1}, std::vector<float>{1, .5f}, 2), label_error);
    CHECK_THROWS_AS(m.add(std::vector<float>{1, 1}, std::vector<float>{1, 255}), label_error);
    CHECK_THROWS_AS(m.add(std::vector<float>{1, nan}, std::vector<float>{1, 0}), error);
    CHECK_THROWS_AS(m.add(std::vector<float>{1, 0, 1}, std::vector<float>{1, 0}), shape_mismatch);
    CHECK_THROWS_AS(m.add(std::vector<float>{1, 0, 1}, std::vector<float>{1, 0, 1}, 2), shape_mismatch);
    CHECK_THROWS_AS(m.add(std::vector<float>{1}, std::vector<float>{1}, 0), shape_mismatch);
    CHECK(m.images().empty());
}
