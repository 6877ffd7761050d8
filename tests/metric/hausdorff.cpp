// SPDX-License-Identifier: MIT
#include <umsrep/metric/hausdorff.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <umsrep/core/random.hpp>

#include <tests/support/fixture.hpp>

using namespace umsrep;
using namespace umsrep::metric;

namespace hausdorff_tests {

/// A rectangle [top, bottom) x [left, right) in a mask of 20 x 30.
std::vector<float> rectangle(std::size_t top, std::size_t bottom, std::size_t left, std::size_t right) {
    std::vector<float> mask(600, 0.0f);
    for (std::size_t y = top; y < bottom; ++y)
        for (std::size_t x = left; x < right; ++x) mask[y * 30 + x] = 1.0f;
    return mask;
}

} // namespace hausdorff_tests

using hausdorff_tests::rectangle;

TEST_CASE("Hausdorff distances agree with scipy's distance transform and NumPy's percentiles") {
    const auto file = test::fixture("metric");
    const auto first = file.values<float>("hausdorff.first"), second = file.values<float>("hausdorff.second");
    const auto percentile = file.values<double>("hausdorff.percentile"), distance = file.values<double>("hausdorff.distance");
    for (std::size_t i = 0; i < percentile.size(); ++i)
        CHECK(hausdorff(first, second, 33, 41, {.percentile = percentile[i], .pixel_height = 1.5, .pixel_width = 0.8}) ==
              doctest::Approx(distance[i]).epsilon(1e-12));
}

TEST_CASE("a shifted shape is as far as it was shifted, in the unit of the pixels") {
    const auto shape = rectangle(3, 9, 4, 12);
    CHECK(hausdorff(rectangle(3, 9, 9, 17), shape, 20, 30, {.percentile = 100}) == 5.0);
    CHECK(hausdorff(rectangle(7, 13, 4, 12), shape, 20, 30, {.percentile = 100, .pixel_height = 0.25}) == 1.0);
    CHECK(hausdorff(rectangle(7, 13, 4, 12), shape, 20, 30, {.percentile = 100, .pixel_width = 9.0}) == 4.0);
    CHECK(hausdorff(rectangle(7, 13, 7, 15), shape, 20, 30, {.percentile = 100}) == 5.0); // 3, 4, 5
}

TEST_CASE("the distance is 0 for equal masks, symmetric, and grows with the percentile") {
    const auto a = rectangle(2, 15, 3, 8), b = rectangle(5, 11, 1, 25);
    CHECK(hausdorff(a, a, 20, 30) == 0.0);
    CHECK(hausdorff(a, b, 20, 30) == hausdorff(b, a, 20, 30));
    double previous = 0.0;
    for (const double percentile : {1.0, 25.0, 50.0, 95.0, 100.0}) {
        const double distance = hausdorff(a, b, 20, 30, {.percentile = percentile});
        CHECK(distance >= previous);
        previous = distance;
    }
    CHECK(previous == 17.0); // right edge of b to that of a
}

TEST_CASE("one stray pixel moves the greatest distance, and hardly the 95th percentile") {
    const auto truth = rectangle(2, 12, 2, 12);
    auto predicted = truth;
    predicted[19 * 30 + 29] = 1.0f;
    CHECK(hausdorff(predicted, truth, 20, 30, {.percentile = 100}) == doctest::Approx(std::hypot(8.0, 18.0)));
    CHECK(hausdorff(predicted, truth, 20, 30) == 0.0);
}

TEST_CASE("boundaries alone count: a hole's edge does, the inside does not") {
    const auto full = rectangle(0, 20, 0, 30);
    auto hollow = full;
    hollow[10 * 30 + 15] = 0.0f;
    CHECK(hausdorff(hollow, full, 20, 30, {.percentile = 100}) == 9.0); // from above the hole, row 9, to the border in row 0
}

TEST_CASE("two empty masks agree; one empty mask is infinitely far") {
    const std::vector<float> empty(600, 0.0f);
    const double infinity = std::numeric_limits<double>::infinity();
    CHECK(hausdorff(empty, empty, 20, 30) == 0.0);
    CHECK(hausdorff(empty, rectangle(1, 2, 1, 2), 20, 30) == infinity);
    CHECK(hausdorff(rectangle(1, 2, 1, 2), empty, 20, 30) == infinity);
    CHECK(hausdorff(rectangle(1, 2, 1, 2), rectangle(1, 2, 4, 5), 20, 30) == 3.0); // single pixels
}

TEST_CASE("distances of random masks are those of all pairs of boundary pixels") {
    random_stream stream{seed{12}, "masks"};
    for (int trial = 0; trial < 20; ++trial) {
        const std::size_t height = 1 + stream.below(12), width = 1 + stream.below(12);
        const auto draw = [&] {
            std::vector<char> mask(height * width, 0);
            for (char& pixel : mask) pixel = stream.uniform() < 0.3f;
            mask[stream.below(static_cast<std::uint32_t>(mask.size()))] = 1;
            return mask;
        };
        const auto from = draw(), to = draw();
        std::vector<double> expected;
        for (std::size_t i = 0; i < from.size(); ++i) {
            if (!from[i]) continue;
            double least = std::numeric_limits<double>::infinity();
            for (std::size_t j = 0; j < to.size(); ++j) {
                const double dy = 2.0 * (static_cast<double>(i / width) - static_cast<double>(j / width));
                const double dx = 0.5 * (static_cast<double>(i % width) - static_cast<double>(j % width));
                if (to[j]) least = std::min(least, dy * dy + dx * dx);
            }
            expected.push_back(std::sqrt(least));
        }
        std::ranges::sort(expected);
        CHECK(detail::nearest_distances(from, to, height, width, 2.0, 0.5) == expected);
    }
}

TEST_CASE("wrong sizes, options and masks are refused") {
    const auto mask = rectangle(1, 3, 1, 3);
    CHECK_THROWS_AS(hausdorff(mask, mask, 20, 31), shape_mismatch);
    CHECK_THROWS_AS(hausdorff(std::vector<float>(599), mask, 20, 30), shape_mismatch);
    CHECK_THROWS_AS(hausdorff(mask, std::vector<float>(600, 0.5f), 20, 30), label_error);
    CHECK_THROWS_AS(hausdorff(mask, mask, 20, 30, {.percentile = 0}), option_error);
    CHECK_THROWS_AS(hausdorff(mask, mask, 20, 30, {.pixel_width = 0}), option_error);
}
