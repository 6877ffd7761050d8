// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <umsrep/data/geometry.hpp>

#include "../support/message_of.hpp"

using namespace umsrep;
using namespace umsrep::data;

namespace {
/// A blob, with a mask and an image-shaped label of the same blob, and a class.
sample blob(int height, int width) {
    sample s{.id = "blob", .group = "", .image = uninitialized({1, height, width}), .labels = {}};
    tensor mask = s.image;
    for (std::size_t y = 0; y < static_cast<std::size_t>(height); ++y) {
        for (std::size_t x = 0; x < static_cast<std::size_t>(width); ++x) {
            const double d = std::hypot(static_cast<double>(x) / width - 0.3, static_cast<double>(y) / height - 0.4);
            s.image(0, y, x) = static_cast<float>(std::exp(-20 * d * d));
            mask(0, y, x) = s.image(0, y, x) > 0.5f ? 1.0f : 0.0f;
        }
    }
    s.set("denoise", s.image, label_kind::image);
    s.set("lungs", mask, label_kind::mask);
    s.set("finding", 2.0f);
    return s;
}

double dice(const tensor& mask, const tensor& image) {
    double both = 0, sum = 0;
    for (std::size_t i = 0; i < mask.size(); ++i) {
        const bool a = mask.data()[i] > 0.5f, b = image.data()[i] > 0.5f;
        both += a && b;
        sum += a + b;
    }
    return 2 * both / sum;
}
} // namespace

TEST_CASE("masks and image-shaped labels move with their image, class labels stay") {
    for (std::uint64_t run = 0; run < 20; ++run) {
        INFO("seed " << run);
        random_stream random{seed{run}, "geometry"};
        sample s = blob(60, 72);
        const sample before = s;
        random_flip{0.5f, 0.5f}(s, random);
        random_affine{.rotation = 20, .shift = 0.1f, .scale = 0.2f}(s, random);
        resize{45, 50}(s, random);
        CHECK(shape_of(s.image) == shape{1, 45, 50});
        CHECK(s.find("denoise")->value == s.image);
        CHECK(dice(s.find("lungs")->value, s.image) > 0.96);
        CHECK(s.find("finding")->value == before.find("finding")->value);
        const tensor& mask = s.find("lungs")->value;
        CHECK(std::all_of(mask.data(), mask.data() + mask.size(), [](float v) { return v == 0 || v == 1; }));
    }
}

TEST_CASE("mirroring twice changes nothing, mirroring once mirrors") {
    const random_flip left_right{1, 0}, up_down{0, 1}, never{0, 0};
    random_stream random{seed{1}};
    for (const random_flip& flip : {left_right, up_down, never}) {
        sample s = blob(5, 8);
        const tensor before = s.image;
        flip(s, random);
        for (std::size_t y = 0; y < 5; ++y) {
            for (std::size_t x = 0; x < 8; ++x) {
                CHECK(s.image(0, y, x) == before(0, flip.up_down > 0 ? 4 - y : y, flip.left_right > 0 ? 7 - x : x));
            }
        }
        flip(s, random);
        CHECK(s.image == before);
    }
}

TEST_CASE("a small rotation, shift and scaling stays within its bounds and differs from stream to stream") {
    const random_affine none{.rotation = 0, .shift = 0, .scale = 0}, never{.rotation = 90, .probability = 0}, some{};
    random_stream random{seed{1}};
    const sample before = blob(40, 40);
    for (const random_affine& unchanged : {none, never}) {
        sample s = before;
        unchanged(s, random);
        CHECK(s.image == before.image);
    }
    sample a = before, b = before;
    some(a, random);
    some(b, random);
    CHECK(a.image != before.image);
    CHECK(a.image != b.image);

    // The centre of the blob moves by at most shift + what rotation and scaling do to its distance from the centre.
    for (int i = 0; i < 50; ++i) {
        sample s = before;
        random_affine{.rotation = 0, .shift = 0.05f, .scale = 0}(s, random);
        const auto brightest = std::max_element(s.image.data(), s.image.data() + s.image.size()) - s.image.data();
        CHECK(std::abs(brightest % 40 - 12) <= 3);
        CHECK(std::abs(brightest / 40 - 16) <= 3);
    }
}

TEST_CASE("a mask of another size than its image is named with sample and head") {
    sample s = blob(10, 10);
    s.set("lungs", uninitialized({1, 9, 10}), label_kind::mask);
    random_stream random{seed{1}};
    const std::string message = test::message_of<shape_mismatch>([&] { resize{5, 5}(s, random); });
    INFO(message);
    CHECK(test::one_line_naming(message, "sample 'blob'"));
    CHECK(message.find("head 'lungs'") != std::string::npos);
}
