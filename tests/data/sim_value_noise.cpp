// SPDX-License-Identifier: MIT
#include <umsrep/data/sim/value_noise.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace umsrep;
using namespace umsrep::sim;

TEST_CASE("value noise stays in [-1, 1], is continuous, and centred on 0") {
    const fractal_noise noise{seed{1}, "texture", 0, 2.0f, 4, 20.0f, 0.0f};
    double sum = 0;
    float largest_step = 0;
    for (int y = 0; y < 400; ++y)
        for (int x = 0; x < 400; ++x) {
            const float px = static_cast<float>(x) * 0.1f - 20, py = static_cast<float>(y) * 0.1f - 20;
            const float v = noise(px, py);
            REQUIRE(std::abs(v) <= 1.0f);
            sum += static_cast<double>(v);
            largest_step = std::max(largest_step, std::abs(noise(px + 1e-3f, py) - v));
        }
    CHECK(std::abs(sum / 160000) < 0.05);
    CHECK(largest_step < 0.02f);
}

TEST_CASE("octaves finer than the pixel are left out, and the others stay as they were") {
    const fractal_noise coarse{seed{1}, "texture", 3, 2.0f, 3, 10.0f, 3.0f}, single{seed{1}, "texture", 3, 2.0f, 1, 10.0f, 0.0f};
    CHECK(coarse(1.3f, -2.2f) == single(1.3f, -2.2f));
}

TEST_CASE("another name or index is another texture") {
    const fractal_noise a{seed{1}, "a", 0, 2.0f, 2, 10.0f, 0.0f}, b{seed{1}, "b", 0, 2.0f, 2, 10.0f, 0.0f},
        c{seed{1}, "a", 1, 2.0f, 2, 10.0f, 0.0f};
    CHECK(a(1, 1) != b(1, 1));
    CHECK(a(1, 1) != c(1, 1));
    CHECK(a(1, 1) == fractal_noise{seed{1}, "a", 0, 2.0f, 2, 10.0f, 0.0f}(1, 1));
}

TEST_CASE("outside of its reach value noise goes on with its border value") {
    const fractal_noise noise{seed{1}, "texture", 0, 2.0f, 1, 4.0f, 0.0f};
    CHECK(noise(500, 0) == doctest::Approx(noise(5000, 0)));
    CHECK(noise(0, -500) == noise(0, -5000));
}
