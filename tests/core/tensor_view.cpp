// SPDX-License-Identifier: MIT
#include <numeric>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

#include <umsrep/core/tensor_view.hpp>

using namespace umsrep;

TEST_CASE("elements lie in the order N, C, H, W") {
    std::vector<int> memory(2 * 3 * 4 * 5);
    std::iota(memory.begin(), memory.end(), 0);
    const tensor_view<int> view(memory.data(), 2, {3, 4, 5});
    int next = 0;
    for (int n = 0; n < 2; ++n)
        for (int c = 0; c < 3; ++c)
            for (int y = 0; y < 4; ++y)
                for (int x = 0; x < 5; ++x) REQUIRE(view(n, c, y, x) == next++);
    CHECK(view.size() == next);
    CHECK(view.end() - view.begin() == next);
    CHECK(*view.sample(1) == 60);
    CHECK(*view.plane(1, 2) == 100);
}

TEST_CASE("a view writes to the memory it looks at") {
    std::vector<float> memory(8);
    const tensor_view<float> view(memory.data(), 2, {1, 2, 2});
    view(1, 0, 0, 1) = 3;
    CHECK(memory[5] == 3);
}

TEST_CASE("a view of constants comes from a view, and not the other way round") {
    static_assert(std::is_convertible_v<tensor_view<float>, tensor_view<const float>>);
    static_assert(!std::is_convertible_v<tensor_view<const float>, tensor_view<float>>);
    static_assert(!std::is_convertible_v<tensor_view<double>, tensor_view<const float>>);
}

TEST_CASE("a default view is not there") {
    static_assert(!tensor_view<float>{});
    static_assert(tensor_view<float>{}.size() == 0);
    float one = 1;
    CHECK(tensor_view<float>(&one, 1, {1, 1, 1}));
}
