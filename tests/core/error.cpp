// SPDX-License-Identifier: MIT
#include <stdexcept>
#include <string>
#include <type_traits>

#include <doctest/doctest.h>

#include <umsrep/core/error.hpp>

#include "tests/support/message_of.hpp"

using namespace umsrep;

TEST_CASE("every exception is of one family, and is a std::runtime_error") {
    static_assert(std::is_base_of_v<std::runtime_error, error>);
    static_assert(std::is_base_of_v<error, shape_mismatch> && std::is_base_of_v<error, file_error> &&
                  std::is_base_of_v<error, label_error> && std::is_base_of_v<error, option_error> &&
                  std::is_base_of_v<error, device_error>);
    CHECK_THROWS_AS(throw label_error("x"), error);
}

TEST_CASE("the message names the thing, what was expected and what came") {
    CHECK(test::message_of<error>([] { throw shape_mismatch("images", "(N, 1, 64, 64)", "(N, 3, 64, 64)"); }) ==
          "images: expected (N, 1, 64, 64), got (N, 3, 64, 64)");
}
