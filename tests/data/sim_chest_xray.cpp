// SPDX-License-Identifier: MIT
#include <umsrep/data/sim/chest_xray.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include <umsrep/metric/overlap.hpp>
#include <umsrep/metric/ranking.hpp>

using namespace umsrep;
using namespace umsrep::sim;

namespace {

chest_xray_options of_size(int size) {
    chest_xray_options options;
    options.size = size;
    return options;
}

chest_xray simulate(int size, std::uint64_t s, std::uint64_t index) {
    return simulate_chest_xray(of_size(size), seed{s}, index, static_cast<finding>(index % 3));
}

/// Sizes of the 4-connected regions of a mask.
std::vector<int> regions(const xt::xtensor<float, 3>& mask) {
    const int h = static_cast<int>(mask.shape()[1]), w = static_cast<int>(mask.shape()[2]);
    std::vector<float> left(mask.begin(), mask.end());
    std::vector<int> sizes, open;
    for (int start = 0; start < h * w; ++start) {
        if (left[static_cast<std::size_t>(start)] == 0) continue;
        sizes.push_back(0);
        open.push_back(start);
        while (!open.empty()) {
            const int p = open.back();
            open.pop_back();
            if (std::exchange(left[static_cast<std::size_t>(p)], 0.0f) == 0) continue;
            ++sizes.back();
            if (p % w > 0) open.push_back(p - 1);
            if (p % w < w - 1) open.push_back(p + 1);
            if (p >= w) open.push_back(p - w);
            if (p < (h - 1) * w) open.push_back(p + w);
        }
    }
    return sizes;
}

double mean(const xt::xtensor<float, 3>& image) {
    double sum = 0;
    for (const float v : image) sum += static_cast<double>(v);
    return sum / static_cast<double>(image.size());
}

bool equal(const chest_xray& a, const chest_xray& b) {
    return a.clean == b.clean && a.noisy == b.noisy && a.lungs == b.lungs && a.opacity == b.opacity && a.photons == b.photons &&
           a.cardiothoracic_ratio == b.cardiothoracic_ratio;
}

} // namespace

TEST_CASE("a simulated radiograph is a pure function of options, seed, index and finding") {
    const auto reference = simulate(64, 1, 4);
    simulate(64, 1, 9); // what was asked for in between does not matter
    CHECK(equal(simulate(64, 1, 4), reference));
    std::array<bool, 3> same{};
    std::vector<std::thread> threads;
    for (bool& s : same) threads.emplace_back([&s, &reference] { s = equal(simulate(64, 1, 4), reference); });
    for (std::thread& t : threads) t.join();
    for (const bool s : same) CHECK(s);
}

TEST_CASE("another seed or another index is another patient") {
    const auto a = simulate(64, 1, 3);
    for (const auto& b : {simulate(64, 2, 3), simulate(64, 1, 6)}) {
        CHECK(a.lungs != b.lungs);
        CHECK(a.clean != b.clean);
        CHECK(a.noisy != b.noisy);
        CHECK(a.cardiothoracic_ratio != b.cardiothoracic_ratio);
    }
}

TEST_CASE("the finding alone changes neither anatomy nor exposure") {
    const auto options = of_size(64);
    const auto healthy = simulate_chest_xray(options, seed{1}, 5, finding::normal);
    const auto ill = simulate_chest_xray(options, seed{1}, 5, finding::bacterial);
    CHECK(healthy.lungs == ill.lungs);
    CHECK(healthy.photons == ill.photons);
    CHECK(healthy.clean != ill.clean);
}

TEST_CASE("at another size it is the same patient") {
    for (std::uint64_t index = 0; index < 6; ++index) {
        CAPTURE(index);
        const auto small = simulate(64, 1, index), large = simulate(192, 1, index);
        CHECK(small.cardiothoracic_ratio == large.cardiothoracic_ratio);
        CHECK(small.photons == large.photons);
        std::vector<float> middle; // the centre of a small pixel is the centre of the middle one of 3x3
        for (std::size_t y = 0; y < 64; ++y)
            for (std::size_t x = 0; x < 64; ++x) middle.push_back(large.lungs(0, 3 * y + 1, 3 * x + 1));
        CHECK(metric::dice(metric::overlap_of(middle, {small.lungs.data(), small.lungs.size()})) > 0.999);
    }
}

TEST_CASE("images are (1, size, size) in [0, 1], the mask exactly 0 or 1") {
    for (const int size : {32, 65, 128}) {
        const auto x = simulate(size, 3, 1);
        const auto side = static_cast<std::size_t>(size);
        for (const auto* image : {&x.clean, &x.noisy, &x.lungs, &x.opacity}) {
            CHECK(image->shape() == std::array<std::size_t, 3>{1, side, side});
            CHECK(std::ranges::all_of(*image, [](float v) { return v >= 0 && v <= 1; }));
        }
        CHECK(std::ranges::all_of(x.lungs, [](float v) { return v == 0 || v == 1; }));
        CHECK(*std::ranges::max_element(x.clean) > 0.8f);
        CHECK(*std::ranges::min_element(x.clean) < 0.2f);
    }
}

TEST_CASE("the mask is two connected lungs of like size, one on each side") {
    for (const int size : {64, 128}) {
        for (std::uint64_t index = 0; index < (size == 64 ? 300u : 60u); ++index) {
            CAPTURE(size);
            CAPTURE(index);
            const auto x = simulate(size, 21, index);
            const auto parts = regions(x.lungs);
            REQUIRE(parts.size() == 2);
            const double larger = std::max(parts[0], parts[1]), smaller = std::min(parts[0], parts[1]);
            CHECK(smaller / larger > 0.5);
            const double share = (larger + smaller) / (size * size);
            CHECK(share > 0.12);
            CHECK(share < 0.36);
        }
    }
}

TEST_CASE("opacity lies in the lungs only, and brightens the clean image exactly there") {
    const auto options = of_size(96);
    for (std::uint64_t index = 0; index < 10; ++index) {
        CAPTURE(index);
        const auto healthy = simulate_chest_xray(options, seed{4}, index, finding::normal);
        const auto ill = simulate_chest_xray(options, seed{4}, index, finding::bacterial);
        // back from the display to the log signal, where the two can be compared
        const auto signal = [](const chest_xray& x, std::size_t i) {
            return x.display_black + x.clean.data()[i] * (x.display_white - x.display_black);
        };
        for (std::size_t i = 0; i < ill.lungs.size(); ++i) {
            if (ill.lungs.data()[i] == 0) REQUIRE(ill.opacity.data()[i] == 0);
            const auto shown = [](float v) { return v > 0.001f && v < 0.999f; };
            if (ill.opacity.data()[i] > 0.1f && shown(ill.clean.data()[i]) && shown(healthy.clean.data()[i]))
                REQUIRE(signal(ill, i) > signal(healthy, i) + 0.02f);
        }
    }
}

TEST_CASE("lungs are darker than the heart beside them and brighter than the air beside the patient") {
    for (std::uint64_t index = 0; index < 30; index += 3) {
        CAPTURE(index);
        const auto x = simulate(96, 5, index);
        double lung = 0, lung_pixels = 0;
        for (std::size_t i = 0; i < x.lungs.size(); ++i) {
            lung += static_cast<double>(x.lungs.data()[i] * x.clean.data()[i]);
            lung_pixels += static_cast<double>(x.lungs.data()[i]);
        }
        lung /= lung_pixels;
        CHECK(static_cast<double>(x.clean(0, 56, 50)) > lung + 0.15); // just left of the midline, behind the heart
        CHECK(lung > 0.1);
    }
}

TEST_CASE("the truth tells the three findings apart, the mean brightness of the image does not") {
    std::vector<float> brightness;
    std::vector<int> kinds;
    for (std::uint64_t index = 0; index < 240; ++index) {
        const auto x = simulate(48, 6, index);
        const float most = *std::ranges::max_element(x.opacity);
        const finding told = most == 0 ? finding::normal : most <= pneumonia::most_viral ? finding::viral : finding::bacterial;
        REQUIRE(told == x.kind);
        brightness.push_back(static_cast<float>(mean(x.noisy)));
        kinds.push_back(static_cast<int>(x.kind));
    }
    for (const double area : metric::auroc_one_vs_rest(
             [&] {
                 std::vector<float> scores;
                 for (const float b : brightness) scores.insert(scores.end(), {b, b, b});
                 return scores;
             }(),
             kinds, 3)) {
        CHECK(area > 0.3);
        CHECK(area < 0.7);
    }
}

TEST_CASE("the noise of the image is the noise of its photons") {
    auto options = of_size(128);
    options.photons = {3000, 3000};
    options.electronic_noise = {0, 0};
    double sum = 0, squares = 0, count = 0;
    for (std::uint64_t index = 0; index < 4; ++index) {
        const auto x = simulate_chest_xray(options, seed{7}, index, finding::normal);
        REQUIRE(x.photons == doctest::Approx(3000));
        const float width = x.display_white - x.display_black;
        for (std::size_t i = 0; i < x.clean.size(); ++i) {
            const float clean = x.clean.data()[i], noisy = x.noisy.data()[i];
            if (clean < 0.2f || clean > 0.6f) continue; // far from where the display clips
            const double photons = 3000 * std::exp(static_cast<double>(-(x.display_black + clean * width)));
            if (photons < 100) continue;
            const double z = static_cast<double>((noisy - clean) * width) * std::sqrt(photons);
            sum += z;
            squares += z * z;
            ++count;
        }
    }
    REQUIRE(count > 5000);
    CHECK(std::abs(sum / count) < 0.08); // the logarithm's bias is 1 / (2 sqrt N)
    CHECK(squares / count == doctest::Approx(1).epsilon(.06));
}

TEST_CASE("more photons, less noise; another noise stream, other noise on the same clean image") {
    auto few = of_size(64), many = of_size(64);
    few.photons = {200, 200};
    many.photons = {5000, 5000};
    const auto error = [](const chest_xray& x) {
        double sum = 0;
        for (std::size_t i = 0; i < x.clean.size(); ++i)
            sum += std::pow(static_cast<double>(x.clean.data()[i] - x.noisy.data()[i]), 2);
        return sum;
    };
    const auto a = simulate_chest_xray(few, seed{1}, 0, finding::normal), b = simulate_chest_xray(many, seed{1}, 0, finding::normal);
    CHECK(a.clean == b.clean);
    CHECK(error(a) > 5 * error(b));
    const auto c = simulate_chest_xray(few, seed{1}, 0, finding::normal, random_stream{seed{99}});
    CHECK(c.clean == a.clean);
    CHECK(c.noisy != a.noisy);
}

TEST_CASE("options out of range are named") {
    auto options = of_size(16);
    CHECK_THROWS_WITH_AS(simulate_chest_xray(options, seed{1}, 0, finding::normal), "chest X-ray size: expected 32 to 1024, got 16",
                         option_error);
    options = of_size(64);
    options.photons = {500, 100};
    CHECK_THROWS_AS(simulate_chest_xray(options, seed{1}, 0, finding::normal), option_error);
    options = of_size(64);
    options.scatter_to_primary = {-1, 1};
    CHECK_THROWS_AS(simulate_chest_xray(options, seed{1}, 0, finding::normal), option_error);
    options = of_size(64);
    options.electronic_noise = {0, std::numeric_limits<float>::quiet_NaN()};
    CHECK_THROWS_AS(simulate_chest_xray(options, seed{1}, 0, finding::normal), option_error);
}
