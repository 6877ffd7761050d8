// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cstdlib>

#include <umsrep/backend/cpu/winograd.hpp>

using namespace umsrep;

TEST_CASE("blocks of Winograd's tiles cover a batch, each in one row or in whole rows and within what a task holds") {
    int in_pieces = 0, halved = 0;
    const auto check = [&](const cpu_ops::winograd_plan& p) {
        INFO(p.rows << " x " << p.columns << " tiles of " << p.size << ", " << p.tiles << " in all, " << p.in << " to " << p.out << " blocks of channels");
        REQUIRE(p.first_of(0) == 0);
        REQUIRE(p.first_of(p.blocks()) == p.tiles);
        for (int b = 0; b < p.blocks(); ++b) {
            const int first = p.first_of(b), last = p.first_of(b + 1);
            REQUIRE(first < last);
            REQUIRE(last - first <= p.held);
            if (p.pieces > 1 || (p.halved >= 0 && (b == p.halved || b == p.halved + 1))) REQUIRE(first / p.columns == (last - 1) / p.columns);
            else REQUIRE((first % p.columns == 0 && (last % p.columns == 0 || last == p.tiles)));
        }
        in_pieces += p.pieces > 1;
        halved += p.halved >= 0;
        if (p.halved >= 0) REQUIRE(std::abs(2 * p.first_of(p.blocks() / 2) - p.tiles) <= 1); // the same for two threads
    };
    for (const int from : {16, 48, 64, 128})
        for (const int to : {16, 32, 96})
            for (const int height : {4, 16, 37, 128, 130, 250})
                for (const int width : {4, 19, 64, 150, 500})
                    for (const int batch : {1, 3, 8}) {
                        const shape image{to, height, width};
                        if (const auto p = cpu_ops::plan_winograd(from, image, batch, 2); !p.together) check(p);
                        cpu_ops::correlation map{};
                        map.kernel = extent{3};
                        map.padding = extent{1};
                        map.batch = batch;
                        map.wide = {from, height, width};
                        map.narrow = image;
                        if (const auto w = cpu_ops::plan_winograd_weights(map, 2); !w.tiles.together) check(w.tiles);
                    }
    CHECK(in_pieces > 0);
    CHECK(halved > 0);
}
