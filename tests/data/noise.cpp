// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <umsrep/data/intensity.hpp>
#include <umsrep/data/noise.hpp>

using namespace umsrep;
using namespace umsrep::data;

namespace {
sample flat(float value, int size = 100) {
    sample s{.id = "flat", .group = "", .image = uninitialized({1, size, size}), .labels = {}};
    std::fill_n(s.image.data(), s.image.size(), value);
    return s;
}

struct mean_and_variance {
    double mean, variance;
};

template <class Values>
mean_and_variance mean_and_variance_of(const Values& values) {
    double sum = 0, squares = 0;
    for (const double v : values) sum += v;
    const double mean = sum / static_cast<double>(values.size());
    for (const double v : values) squares += (v - mean) * (v - mean);
    return {mean, squares / static_cast<double>(values.size() - 1)};
}
} // namespace

TEST_CASE("Gaussian noise makes a pair: the clean image is the target, the input has the variance asked for") {
    sample s = flat(0.4f);
    const tensor clean = s.image;
    random_stream random{seed{1}, "noise"};
    gaussian_noise{.sigma = 0.1f}(s, random);
    REQUIRE(s.find("denoise") != nullptr);
    CHECK(s.find("denoise")->value == clean);
    CHECK(s.find("denoise")->kind == label_kind::image);
    const auto [mean, variance] = mean_and_variance_of(s.image); // 10,000 pixels: standard errors 0.001 and 1.4 %
    CHECK(std::abs(mean - 0.4) < 0.004);
    CHECK(variance == doctest::Approx(0.01).epsilon(0.06));
    CHECK(*std::min_element(s.image.data(), s.image.data() + s.image.size()) < 0.1f);
}

TEST_CASE("Poisson-Gaussian noise has the mean of the image and the variance x / photons + sigma^2") {
    for (const float value : {0.02f, 0.3f, 0.9f}) {
        INFO(value);
        sample s = flat(value);
        random_stream random{seed{2}, "noise"};
        poisson_gaussian_noise{.photons = 200.0f, .sigma = 0.01f}(s, random);
        const double expected = value / 200.0 + 0.0001;
        const auto [mean, variance] = mean_and_variance_of(s.image);
        CHECK(std::abs(mean - value) < 4 * std::sqrt(expected / 10'000));
        CHECK(variance == doctest::Approx(expected).epsilon(0.07));
        CHECK(s.find("denoise")->value(0, 0, 0) == value);
    }
}

TEST_CASE("counts follow the Poisson distribution, for small means and large") {
    for (const double mean : {0.3, 4.0, 9.9, 10.1, 35.0, 2000.0}) {
        INFO("mean " << mean);
        random_stream random{seed{3}, "poisson"};
        std::vector<double> counts(40'000);
        for (double& c : counts) c = poisson(random, mean);
        const auto [m, v] = mean_and_variance_of(counts);
        CHECK(std::abs(m - mean) < 4 * std::sqrt(mean / 40'000));
        CHECK(v == doctest::Approx(mean).epsilon(0.05));
        // Chi-squared over the counts expected at least 20 times; 5 standard deviations above its mean would be an accident.
        double chi = 0;
        int cells = 0;
        for (double k = std::floor(std::max(0.0, mean - 4 * std::sqrt(mean))); k < mean + 5 * std::sqrt(mean) + 5; ++k) {
            const double expected = 40'000 * std::exp(k * std::log(mean) - mean - std::lgamma(k + 1));
            if (expected < 20) continue;
            const double seen = static_cast<double>(std::ranges::count(counts, k));
            chi += (seen - expected) * (seen - expected) / expected;
            ++cells;
        }
        CHECK(chi < cells + 5 * std::sqrt(2.0 * cells));
    }
    random_stream random{seed{3}};
    CHECK(poisson(random, 0) == 0);
    CHECK(poisson(random, -1) == 0);
}

TEST_CASE("the log of the factorial agrees with the gamma function") {
    for (const double n : {0.0, 1.0, 5.0, 9.0, 10.0, 11.0, 100.0, 12345.0}) {
        CHECK(log_factorial(n) == doctest::Approx(std::lgamma(n + 1)).epsilon(1e-13));
    }
}

TEST_CASE("the amount of noise is drawn per sample from its range; with some probability there is none, and no target") {
    random_stream random{seed{4}, "noise"};
    const gaussian_noise some{.sigma = {0.05f, 0.2f}, .probability = 0.5f};
    int noisy = 0;
    double least = 1, most = 0;
    for (int i = 0; i < 200; ++i) {
        sample s = flat(0.5f, 30);
        some(s, random);
        if (s.find("denoise") == nullptr) {
            CHECK(s.image == flat(0.5f, 30).image);
            continue;
        }
        ++noisy;
        const double deviation = std::sqrt(mean_and_variance_of(s.image).variance);
        least = std::min(least, deviation);
        most = std::max(most, deviation);
    }
    CHECK(noisy > 70);
    CHECK(noisy < 130);
    CHECK(least > 0.04);
    CHECK(least < 0.08);
    CHECK(most > 0.17);
    CHECK(most < 0.22);
}

TEST_CASE("noise can be cut to [0, 1], and can leave the targets alone") {
    random_stream random{seed{5}, "noise"};
    sample s = flat(0.95f);
    gaussian_noise{.sigma = 0.3f, .head = "", .clamped = true}(s, random);
    CHECK(s.labels.empty());
    CHECK(*std::max_element(s.image.data(), s.image.data() + s.image.size()) == 1.0f);
    CHECK(*std::min_element(s.image.data(), s.image.data() + s.image.size()) >= 0.0f);
}

TEST_CASE("grey values change monotonically and stay in [0, 1]; named targets change alongside, others do not") {
    for (std::uint64_t run = 0; run < 20; ++run) {
        sample s = flat(0, 16);
        for (std::size_t i = 0; i < 256; ++i) s.image.data()[i] = static_cast<float>(i) / 255;
        s.set("denoise", s.image, label_kind::image);
        s.set("other", s.image, label_kind::image);
        const tensor before = s.image;
        random_stream random{seed{run}, "intensity"};
        random_intensity{.brightness = 0.2f, .contrast = 0.3f, .gamma = 0.4f, .alongside = {"denoise"}}(s, random);
        CHECK(std::is_sorted(s.image.data(), s.image.data() + 256));
        CHECK(s.image.data()[0] >= 0);
        CHECK(s.image.data()[255] <= 1);
        CHECK(s.image != before);
        CHECK(s.find("denoise")->value == s.image);
        CHECK(s.find("other")->value == before);
    }
}
