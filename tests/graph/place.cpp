// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstddef>
#include <vector>

#include <doctest/doctest.h>

#include <umsrep/core/random.hpp>
#include <umsrep/graph/place.hpp>

using namespace umsrep;

namespace {
bool overlap(const buffer& a, const buffer& b) {
    return a.born <= b.dies && b.born <= a.dies && a.offset < b.offset + b.size && b.offset < a.offset + a.size;
}
std::ptrdiff_t most_alive(const std::vector<buffer>& buffers, int steps) {
    std::ptrdiff_t most = 0;
    for (int now = 0; now < steps; ++now) {
        std::ptrdiff_t alive = 0;
        for (const buffer& b : buffers) alive += b.born <= now && now <= b.dies ? b.size : 0;
        most = std::max(most, alive);
    }
    return most;
}
} // namespace

TEST_CASE("buffers alive at one moment never overlap, and the arena holds them all") {
    constexpr seed s{21};
    INFO("seed " << s.value);
    for (std::uint64_t trial = 0; trial < 200; ++trial) {
        random_stream r(s, "place", trial);
        constexpr int steps = 30;
        std::vector<buffer> buffers(1 + r.below(40));
        for (buffer& b : buffers) {
            b.size = static_cast<std::ptrdiff_t>(16 * (1 + r.below(20)));
            b.born = static_cast<int>(r.below(steps));
            b.dies = std::min(steps - 1, b.born + static_cast<int>(r.below(10)));
        }
        const std::ptrdiff_t arena = place(buffers);
        INFO("trial " << trial);
        for (std::size_t i = 0; i < buffers.size(); ++i) {
            REQUIRE(buffers[i].offset >= 0);
            REQUIRE(buffers[i].offset + buffers[i].size <= arena);
            for (std::size_t j = 0; j < i; ++j) REQUIRE_FALSE(overlap(buffers[i], buffers[j]));
        }
        REQUIRE(arena >= most_alive(buffers, steps));
    }
}

TEST_CASE("what is never alive together shares memory") {
    std::vector<buffer> buffers{{0, 64, 0, 1, false}, {0, 64, 2, 3, false}, {0, 32, 4, 4, true}};
    CHECK(place(buffers) == 64);
}

TEST_CASE("a gap is used when it is wide enough, and not when it is not") {
    // 96 lies below from 0 to 9; 64 above it from 0 to 4; then 48 fits where 64 was, 80 does not fit below 96.
    std::vector<buffer> buffers{{0, 96, 0, 9, false}, {0, 64, 0, 4, false}, {0, 48, 5, 9, false}};
    CHECK(place(buffers) == 160);
    CHECK(buffers[2].offset == 96);
}

TEST_CASE("placing is a constant expression") {
    static_assert([] {
        std::vector<buffer> buffers{{0, 32, 0, 2, false}, {0, 16, 1, 3, false}, {0, 32, 3, 4, false}};
        return place(buffers);
    }() == 48);
    CHECK(true);
}
