// SPDX-License-Identifier: MIT
#include <cstdint>
#include <type_traits>

#include <doctest/doctest.h>

#include <umsrep/core/units.hpp>

using namespace umsrep;

TEST_CASE("binary multiples of bytes") {
    static_assert(1_KiB == 1024);
    static_assert(3_MiB == 3 * 1024 * 1024);
    static_assert(8_GiB == std::int64_t{8} * 1024 * 1024 * 1024);
    CHECK(1_GiB == 1024_MiB);
}

TEST_CASE("a number is no batch and no thread count until it is called so") {
    static_assert(!std::is_convertible_v<int, batch> && !std::is_convertible_v<int, threads>);
    static_assert(batch{8}.value == 8 && threads{2}.value == 2);
    CHECK(true);
}
