// SPDX-License-Identifier: MIT
#include <umsrep/data/sim/beer_lambert.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include <umsrep/core/random.hpp>

using namespace umsrep;
using namespace umsrep::sim;

TEST_CASE("the spectrum's shares add up to one, so nothing in the way lets everything pass") {
    float shares = 0;
    for (const spectral_line& line : chest_spectrum) shares += line.share;
    CHECK(shares == doctest::Approx(1));
    CHECK(transmission({}) == doctest::Approx(1));
}

TEST_CASE("transmission is the sum of exponentials, written out") {
    random_stream draw{seed{1}};
    for (int i = 0; i < 50; ++i) {
        const double s = static_cast<double>(draw.uniform(0, 22)), l = static_cast<double>(draw.uniform(0, 16)),
                     b = static_cast<double>(draw.uniform(0, 3));
        const double direct = .25 * std::exp(-.285 * s - .070 * l - 1.278 * b) + .45 * std::exp(-.217 * s - .053 * l - .604 * b) +
                              .30 * std::exp(-.193 * s - .047 * l - .428 * b);
        const float got = transmission({static_cast<float>(s), static_cast<float>(l), static_cast<float>(b)});
        CHECK(static_cast<double>(got) == doctest::Approx(direct).epsilon(1e-5));
    }
}

TEST_CASE("attenuation coefficients are mass attenuation (NISTIR 5632, cm^2/g) times density") {
    // 40, 60, 80 keV; ICRU-44 soft tissue 1.06, lung 0.26, cortical bone 1.92 g/cm^3
    const double soft[]{.2688, .2048, .1823}, lung[]{.2699, .2053, .1826}, bone[]{.6655, .3148, .2229};
    for (std::size_t i = 0; i < chest_spectrum.size(); ++i) {
        CHECK(static_cast<double>(chest_spectrum[i].soft) == doctest::Approx(1.06 * soft[i]).epsilon(.01));
        CHECK(static_cast<double>(chest_spectrum[i].lung) == doctest::Approx(.26 * lung[i]).epsilon(.02));
        CHECK(static_cast<double>(chest_spectrum[i].bone) == doctest::Approx(1.92 * bone[i]).epsilon(.01));
    }
}

TEST_CASE("the beam hardens: each further centimetre attenuates less than the one before") {
    float before = 10;
    for (float t = 0; t < 20; ++t) {
        const float per_cm = std::log(transmission({t, 0, 0}) / transmission({t + 1, 0, 0}));
        CHECK(per_cm < before);
        CHECK(per_cm > chest_spectrum.back().soft);
        before = per_cm;
    }
}

TEST_CASE("scatter of an even field is the field times the ratio, up to the border") {
    const int size = 21;
    for (const float s : scatter(std::vector<float>(size * size, 0.2f), size, 0.5f, 4)) CHECK(s == doctest::Approx(0.1f));
}

TEST_CASE("scatter is two box means, and the open beam counts only up to the limit") {
    constexpr int size = 13, r = 2;
    random_stream draw{seed{2}};
    std::vector<double> values(size * size);
    std::vector<float> primary(size * size);
    for (std::size_t i = 0; i < primary.size(); ++i) {
        primary[i] = draw.uniform();
        values[i] = 0.7 * std::min(static_cast<double>(primary[i]), 0.3);
    }
    for (int pass = 0; pass < 2; ++pass) {
        std::vector<double> mean(values.size());
        for (int y = 0; y < size; ++y)
            for (int x = 0; x < size; ++x) {
                double sum = 0, count = 0;
                for (int v = std::max(0, y - r); v <= std::min(size - 1, y + r); ++v)
                    for (int u = std::max(0, x - r); u <= std::min(size - 1, x + r); ++u, ++count)
                        sum += values[static_cast<std::size_t>(v * size + u)];
                mean[static_cast<std::size_t>(y * size + x)] = sum / count;
            }
        values = mean;
    }
    const auto got = scatter(primary, size, 0.7f, r);
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(static_cast<double>(got[i]) == doctest::Approx(values[i]).epsilon(1e-5));
}
