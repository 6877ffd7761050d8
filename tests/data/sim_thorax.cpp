// SPDX-License-Identifier: MIT
#include <umsrep/data/sim/pneumonia.hpp>
#include <umsrep/data/sim/thorax.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace umsrep;
using namespace umsrep::sim;

namespace {

thorax patient(std::uint64_t index) {
    random_stream draw{seed{11}, "patient", index};
    return thorax::draw(draw);
}

} // namespace

TEST_CASE("the cardiothoracic ratio is the breadth of the heart measured on its outline over that of the chest") {
    bool enlarged = false, normal = false;
    for (std::uint64_t i = 0; i < 40; ++i) {
        CAPTURE(i);
        const thorax chest = patient(i);
        float left = 0, right = 0, wall = 0;
        for (float y = -15; y < 15; y += 0.02f) {
            wall = std::max(wall, chest.chest_wall(y));
            for (float x = -15; x < 15; x += 0.05f)
                if (chest.heart_distance({x, y}) < 0) {
                    right = std::min(right, x);
                    left = std::max(left, x);
                }
        }
        CHECK(chest.cardiothoracic_ratio() == doctest::Approx((left - right) / (2 * wall)).epsilon(.02));
        (chest.cardiothoracic_ratio() > 0.5f ? enlarged : normal) = true;
    }
    CHECK(enlarged);
    CHECK(normal);
}

TEST_CASE("lung fields lie within the body, beside heart and mediastinum, above the diaphragm") {
    for (std::uint64_t i = 0; i < 20; ++i) {
        CAPTURE(i);
        const thorax chest = patient(i);
        for (float y = -20; y < 20; y += 0.25f)
            for (float x = -20; x < 20; x += 0.25f) {
                const auto depth = chest.lung({x, y});
                if (!depth.inside()) continue;
                REQUIRE(chest.body_path({x, y}) > 5);
                REQUIRE(chest.heart_distance({x, y}) > 0);
                REQUIRE(std::abs(x) > chest.mediastinum);
                REQUIRE(std::abs(x) < chest.half_width);
                REQUIRE(y < chest.diaphragm(std::abs(x), x > 0));
                REQUIRE(y > chest.apex);
                REQUIRE(chest.lung_path(depth) > 0);
            }
    }
}

TEST_CASE("the path through lung is shorter than the body is deep, and steps down at the heart's border") {
    const thorax chest = patient(0);
    for (float x = -13; x < 13; x += 0.5f)
        for (float y = -10; y < 5; y += 0.5f) CHECK(chest.lung_path(chest.lung({x, y})) < chest.depth);
    thorax::lung_depth beside{3, 0.01f, 3, 0}, behind{3, -0.01f, 3, 0};
    CHECK(chest.lung_path(beside) > 1.5f * chest.lung_path(behind));
}

TEST_CASE("ribs start at the spine, run out to the chest wall and come back in front, lower down") {
    const thorax chest = patient(3);
    for (int number = 0; number < thorax::ribs; ++number) {
        const tube right = chest.rib(number, false), left = chest.rib(number, true);
        CHECK(left.line.front().x < 2);
        CHECK(left.line.back().x > left.line.front().x);
        CHECK(left.line.back().y > left.line.front().y + 2);
        for (std::size_t i = 0; i < left.line.size(); ++i) CHECK(left.line[i].x == -right.line[i].x);
    }
}

TEST_CASE("the vessel tree forks into twos, each child .79 of its parent") {
    random_stream draw{seed{1}};
    const auto vessels = vessel_tree(patient(0), draw);
    CHECK(vessels.size() == 2 * 5 * (1 + 2 + 4 + 8 + 16 + 32));
    float thickest = 0, thinnest = 1;
    for (const tube& v : vessels) {
        thickest = std::max(thickest, v.radius);
        thinnest = std::min(thinnest, v.radius);
    }
    CHECK(thinnest > 0.55f * std::pow(0.79f, 5.0f) * 0.99f);
    CHECK(thickest < 0.73f);
}

TEST_CASE("a consolidation is dense and in one lung, a viral opacity thin and in both") {
    for (std::uint64_t i = 0; i < 60; ++i) {
        CAPTURE(i);
        const thorax chest = patient(i);
        for (const finding kind : {finding::normal, finding::bacterial, finding::viral}) {
            const pneumonia disease{kind, chest, seed{2}, i, 0.3f};
            float most[2]{};
            double sum[2]{};
            for (float y = -13; y < 10; y += 0.3f)
                for (float x = -14; x < 14; x += 0.3f) {
                    if (!chest.lung({x, y}).inside()) continue;
                    const float share = disease({x, y});
                    most[x > 0] = std::max(most[x > 0], share);
                    sum[x > 0] += static_cast<double>(share);
                }
            switch (kind) {
            case finding::normal: CHECK(std::max(most[0], most[1]) == 0.0f); break;
            case finding::bacterial:
                CHECK(std::max(most[0], most[1]) > 0.3f);
                CHECK(std::max(most[0], most[1]) <= pneumonia::most_bacterial);
                CHECK(std::min(sum[0], sum[1]) < 0.25 * std::max(sum[0], sum[1]));
                break;
            case finding::viral:
                CHECK(std::min(most[0], most[1]) > 0.05f);
                CHECK(std::max(most[0], most[1]) <= pneumonia::most_viral);
                CHECK(std::min(sum[0], sum[1]) > 0.25 * std::max(sum[0], sum[1]));
                break;
            }
        }
    }
}
