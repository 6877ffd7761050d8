// SPDX-License-Identifier: MIT
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include <umsrep/core/type_name.hpp>

namespace mine {
struct thing {};
template <class...>
struct box {};
} // namespace mine

TEST_CASE("a type's name is what the programmer wrote, without the function around it") {
    static_assert(umsrep::type_name<int>() == "int");
    static_assert(umsrep::type_name<mine::thing>() == "mine::thing");
    CHECK(std::string(umsrep::type_name<mine::box<int, mine::thing>>()) == "mine::box<int, mine::thing>");
}
