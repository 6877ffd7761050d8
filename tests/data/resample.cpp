// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <set>
#include <vector>

#include <umsrep/core/random.hpp>
#include <umsrep/data/resample.hpp>

using namespace umsrep;
using namespace umsrep::data;

namespace {
tensor random_tensor(shape s, random_stream& random) {
    tensor t = uninitialized(s);
    for (std::size_t i = 0; i < t.size(); ++i) t.data()[i] = random.uniform();
    return t;
}

double mean_of(const tensor& t) { return std::accumulate(t.data(), t.data() + t.size(), 0.0) / static_cast<double>(t.size()); }

double largest_difference(const tensor& a, const tensor& b) {
    REQUIRE(shape_of(a) == shape_of(b));
    double largest = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        largest = std::max(largest, std::abs(static_cast<double>(a.data()[i]) - b.data()[i]));
    }
    return largest;
}

int extent_from(random_stream& random) { return 1 + static_cast<int>(random.below(40)); }
} // namespace

TEST_CASE("shrinking keeps the mean, and is the exact mean over the area of each pixel") {
    random_stream random{seed{2}, "shrink"};
    for (int i = 0; i < 50; ++i) {
        const int h = extent_from(random), w = extent_from(random);
        const int to_h = 1 + static_cast<int>(random.below(static_cast<std::uint32_t>(h)));
        const int to_w = 1 + static_cast<int>(random.below(static_cast<std::uint32_t>(w)));
        INFO(h << " x " << w << " to " << to_h << " x " << to_w);
        const tensor from = random_tensor({2, h, w}, random);
        CHECK(mean_of(resized(from, to_h, to_w)) == doctest::Approx(mean_of(from)).epsilon(1e-5));
    }
    tensor four = uninitialized({1, 2, 3});
    std::iota(four.data(), four.data() + 6, 1.0f); // 1 2 3 / 4 5 6
    const tensor two = resized(four, 1, 2);
    CHECK(two(0, 0, 0) == doctest::Approx((1 + 2 * 0.5 + 4 + 5 * 0.5) / 3));
    CHECK(two(0, 0, 1) == doctest::Approx((2 * 0.5 + 3 + 5 * 0.5 + 6) / 3));
}

TEST_CASE("growing interpolates a ramp linearly between the centres of its first and last pixel") {
    tensor ramp = uninitialized({1, 4, 6});
    for (std::size_t y = 0; y < 4; ++y) {
        for (std::size_t x = 0; x < 6; ++x) ramp(0, y, x) = static_cast<float>(3 * y + x);
    }
    const tensor large = resized(ramp, 9, 15);
    for (std::size_t y = 0; y < 9; ++y) {
        for (std::size_t x = 0; x < 15; ++x) {
            const double at_y = std::clamp((static_cast<double>(y) + 0.5) * 4 / 9 - 0.5, 0.0, 3.0);
            const double at_x = std::clamp((static_cast<double>(x) + 0.5) * 6 / 15 - 0.5, 0.0, 5.0);
            CHECK(large(0, y, x) == doctest::Approx(3 * at_y + at_x).epsilon(1e-5));
        }
    }
}

TEST_CASE("a constant image stays constant at any size, and the same size changes nothing") {
    random_stream random{seed{3}, "constant"};
    for (int i = 0; i < 30; ++i) {
        tensor from = uninitialized({1, extent_from(random), extent_from(random)});
        std::fill_n(from.data(), from.size(), 0.7f);
        const tensor to = resized(from, extent_from(random), extent_from(random));
        CHECK(std::all_of(to.data(), to.data() + to.size(), [](float v) { return std::abs(v - 0.7f) < 1e-5f; }));
    }
    const tensor same = random_tensor({2, 5, 7}, random);
    CHECK(resized(same, 5, 7) == same);
    CHECK_THROWS_AS(resized(same, 0, 7), option_error);
}

TEST_CASE("by vote no new value appears, and the larger part of the area wins") {
    random_stream random{seed{4}, "vote"};
    for (int i = 0; i < 30; ++i) {
        tensor classes = uninitialized({1, extent_from(random), extent_from(random)});
        constexpr std::array values{0.0f, 1.0f, 2.0f, 255.0f};
        for (std::size_t k = 0; k < classes.size(); ++k) classes.data()[k] = values[random.below(4)];
        const std::set<float> before(classes.data(), classes.data() + classes.size());
        const tensor to = resized(classes, extent_from(random), extent_from(random), resampling::vote);
        const std::set<float> after(to.data(), to.data() + to.size());
        CHECK(std::ranges::includes(before, after));
    }
    // A disc shrinks to where its mean is at least one half.
    tensor disc = uninitialized({1, 64, 64});
    for (std::size_t y = 0; y < 64; ++y) {
        for (std::size_t x = 0; x < 64; ++x) {
            disc(0, y, x) = std::hypot(static_cast<double>(x) - 30, static_cast<double>(y) - 33) < 20 ? 1.0f : 0.0f;
        }
    }
    for (const int size : {32, 27, 16}) {
        const tensor voted = resized(disc, size, size, resampling::vote), averaged = resized(disc, size, size);
        for (std::size_t k = 0; k < voted.size(); ++k) {
            const float part = averaged.data()[k];
            if (std::abs(part - 0.5f) > 1e-4f) CHECK(voted.data()[k] == (part > 0.5f ? 1.0f : 0.0f));
        }
    }
}

TEST_CASE("the identity map changes nothing; whole-pixel shifts and quarter turns move pixels exactly") {
    random_stream random{seed{5}, "warp"};
    const tensor from = random_tensor({2, 7, 7}, random);
    CHECK(warped(from, {}) == from);
    CHECK(warped(from, {}, resampling::vote) == from);

    const tensor shifted = warped(from, {.x0 = 2, .y0 = -1});
    const tensor turned = warped(from, {.xx = 0, .xy = 1, .yx = -1, .yy = 0});
    for (std::size_t c = 0; c < 2; ++c) {
        for (std::size_t y = 0; y < 7; ++y) {
            for (std::size_t x = 0; x < 7; ++x) {
                CHECK(shifted(c, y, x) == from(c, y == 0 ? 0 : y - 1, std::min<std::size_t>(x + 2, 6)));
                CHECK(turned(c, y, x) == from(c, 6 - x, y));
            }
        }
    }
}

TEST_CASE("a map and its inverse give a smooth image back, away from the border") {
    tensor smooth = uninitialized({1, 48, 56});
    for (std::size_t y = 0; y < 48; ++y) {
        for (std::size_t x = 0; x < 56; ++x) {
            const double wave = std::sin(static_cast<double>(x) / 8) * std::cos(static_cast<double>(y) / 9);
            smooth(0, y, x) = static_cast<float>(0.5 + 0.3 * wave);
        }
    }
    const double c = std::cos(0.1), s = std::sin(0.1);
    const tensor back = warped(warped(smooth, {c, s, 1.5, -s, c, -0.7}), {c, -s, -1.5 * c - 0.7 * s, s, c, -1.5 * s + 0.7 * c});
    double largest = 0;
    for (std::size_t y = 10; y < 38; ++y) {
        for (std::size_t x = 10; x < 46; ++x) {
            largest = std::max(largest, std::abs(static_cast<double>(back(0, y, x)) - smooth(0, y, x)));
        }
    }
    CHECK(largest < 0.003);
    CHECK(largest_difference(back, smooth) > 0);
}
