// SPDX-License-Identifier: MIT
#include <string>
#include <string_view>
#include <type_traits>

#include <doctest/doctest.h>

#include <umsrep/core/fixed_string.hpp>

using umsrep::fixed_string;

namespace {
template <fixed_string Name>
struct named {
    static constexpr std::string_view name = Name;
};
} // namespace

TEST_CASE("a literal as a template argument keeps its characters") {
    static_assert(named<"e1">::name == "e1");
    static_assert(named<"">::name.empty());
    CHECK(std::string(named<"two words">::name) == "two words");
}

TEST_CASE("types are the same where the texts are, and only there") {
    static_assert(std::is_same_v<named<"e1">, named<"e1">>);
    static_assert(!std::is_same_v<named<"e1">, named<"e2">>);
    static_assert(!std::is_same_v<named<"e1">, named<"e11">>);
    static_assert(fixed_string("a") == fixed_string("a"));
    static_assert(!(fixed_string("a") == fixed_string("b")));
}

TEST_CASE("the view does not count the terminating zero") {
    constexpr fixed_string text = "abc";
    static_assert(sizeof(text) == 4);
    static_assert(text.view().size() == 3);
    CHECK(text.view() == "abc");
}
