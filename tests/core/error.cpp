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

TEST_CASE("an exception that goes on with more behind its words stays of its kind; one that is none of the family goes on as it is") {
    const auto with_more = [](auto thrown) {
        try {
            throw thrown;
        } catch (...) {
            rethrow_with("; and more");
        }
    };
    CHECK(test::message_of<shape_mismatch>([&] { with_more(shape_mismatch("a")); }) == "a; and more");
    CHECK(test::message_of<file_error>([&] { with_more(file_error("b")); }) == "b; and more");
    CHECK(test::message_of<label_error>([&] { with_more(label_error("c")); }) == "c; and more");
    CHECK(test::message_of<option_error>([&] { with_more(option_error("d")); }) == "d; and more");
    CHECK(test::message_of<device_error>([&] { with_more(device_error("e")); }) == "e; and more");
    CHECK(test::message_of<error>([&] { with_more(error("f")); }) == "f; and more");
    CHECK_THROWS_WITH_AS(with_more(std::logic_error("g")), "g", std::logic_error);
    CHECK_THROWS_AS(with_more(7), int);
}
