// SPDX-License-Identifier: MIT
#include <cstddef>

#include <doctest/doctest.h>

#include <umsrep/core/shape.hpp>

using namespace umsrep;

TEST_CASE("one number of an extent means height and width") {
    static_assert(extent{3} == extent{3, 3});
    static_assert(extent{1, 5}.h == 1 && extent{1, 5}.w == 5);
}

TEST_CASE("the size of a shape is counted in 64 bits") {
    static_assert(shape{3, 5, 7}.plane() == 35);
    static_assert(shape{3, 5, 7}.size() == 105);
    constexpr shape large{64, 32768, 32768};
    static_assert(large.plane() == std::ptrdiff_t{1} << 30);
    static_assert(large.size() == std::ptrdiff_t{1} << 36);
    CHECK(large == shape{64, 32768, 32768});
    CHECK_FALSE(large == shape{64, 32768, 1});
}
