// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "shapes_from_torch.hpp"

using namespace umsrep;
using namespace umsrep::test;

TEST_CASE("every layer gives the shape and has the parameters that PyTorch's has") {
    int index = 0;
    for (const shape_case& c : shapes_from_torch) {
        ++index;
        INFO("case " << index << " of shapes_from_torch.hpp");
        const graph g = c.lower(c.image);
        CHECK_MESSAGE(g.ok(), to_string(g.error));
        const shape out = g[g.heads[0].output].out;
        CHECK(out.c == c.out.c);
        CHECK(out.h == c.out.h);
        CHECK(out.w == c.out.w);
        CHECK(g.parameters == c.parameters);
        CHECK(g.statistics == c.statistics);
    }
    CHECK(index > 100);
}

TEST_CASE("the same functions answer in constant expressions") {
    static_assert(shape_after<conv<16, 3>>({3, 17, 23}) == shape{16, 17, 23});
    static_assert(shape_after<conv<16, 7, stride<2>>>({3, 224, 224}) == shape{16, 112, 112});
    static_assert(shape_after<max_pool<3, stride<2>, padding<1>>>({16, 112, 112}) == shape{16, 56, 56});
    static_assert(shape_after<conv_transpose<8, 2, stride<2>>>({16, 56, 56}) == shape{8, 112, 112});
    static_assert(shape_after<global_avg_pool>({16, 56, 56}) == shape{16, 1, 1});
    static_assert(shape_after<linear<10>>({16, 2, 3}) == shape{10, 1, 1});
    CHECK(true);
}
