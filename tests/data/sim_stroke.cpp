// SPDX-License-Identifier: MIT
#include <umsrep/data/sim/stroke.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <umsrep/core/random.hpp>

using namespace umsrep;
using namespace umsrep::sim;

TEST_CASE("a stroke visits each pixel nearer than its radius once, with the distance to the nearest segment") {
    constexpr int size = 24;
    random_stream draw{seed{4}};
    stroke brush{size};
    for (int repeat = 0; repeat < 20; ++repeat) {
        CAPTURE(repeat);
        std::vector<point> line;
        for (int i = 0; i < 5; ++i) line.push_back({draw.uniform(-4, 28), draw.uniform(-4, 28)});
        const float radius = draw.uniform(0.6f, 4);
        std::vector<int> visits(size * size);
        std::vector<float> distance(size * size, std::numeric_limits<float>::infinity());
        brush.paint(line, radius, [&](std::size_t pixel, float d) {
            ++visits.at(pixel);
            distance[pixel] = d;
        });
        for (int y = 0; y < size; ++y)
            for (int x = 0; x < size; ++x) {
                float nearest = std::numeric_limits<float>::infinity();
                for (std::size_t i = 1; i < line.size(); ++i)
                    for (int k = 0; k <= 4000; ++k) { // the distance by brute force
                        const float u = static_cast<float>(k) / 4000;
                        nearest = std::min(nearest, std::hypot(line[i - 1].x + u * (line[i].x - line[i - 1].x) - static_cast<float>(x) - 0.5f,
                                                               line[i - 1].y + u * (line[i].y - line[i - 1].y) - static_cast<float>(y) - 0.5f));
                    }
                if (std::abs(nearest - radius) < 0.01f) continue; // on the rim
                const auto pixel = static_cast<std::size_t>(y * size + x);
                CHECK(visits[pixel] == (nearest < radius ? 1 : 0));
                if (nearest < radius) CHECK(std::abs(distance[pixel] - nearest) < 0.01f);
            }
    }
}

TEST_CASE("a stroke leaves nothing behind for the next one") {
    stroke brush{8};
    const std::vector<point> line{{1, 4}, {7, 4}};
    int first = 0, second = 0;
    brush.paint(line, 1.5f, [&](std::size_t, float) { ++first; });
    brush.paint(line, 1.5f, [&](std::size_t, float) { ++second; });
    CHECK(first > 0);
    CHECK(first == second);
}
