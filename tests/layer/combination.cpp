// SPDX-License-Identifier: MIT
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "lowered.hpp"

using namespace umsrep;
using namespace umsrep::test;

namespace {

std::vector<std::string> paths(const graph& g) {
    std::vector<std::string> result;
    for (int i = 1; i < g.size(); ++i) result.push_back(g.path(g[i]));
    return result;
}
using names = std::vector<std::string>;

/// Counts the layers of a graph by kind.
int count(const graph& g, op kind) {
    int n = 0;
    for (const node& x : g.nodes) n += x.kind == kind ? 1 : 0;
    return n;
}

} // namespace

// A layer of one's own: an overload beside the type is all it takes.
namespace mine {
struct swish_block {};
constexpr int lower_layer(umsrep::graph_builder& b, int x, swish_block) {
    return umsrep::lower_layer(b, x, umsrep::seq<umsrep::conv<4, 3>, umsrep::silu>{});
}
struct short_name : umsrep::seq<umsrep::conv<2, 1>, umsrep::relu> {};
} // namespace mine

TEST_CASE("seq names its layers by their index, as nn.Sequential does") {
    CHECK(paths(lowered<seq<conv<4, 3>, batch_norm, relu, seq<conv<4, 3>, relu>>>({1, 8, 8})) ==
          names{"layer.0", "layer.1", "layer.2", "layer.3.0", "layer.3.1"});
}

TEST_CASE("named gives a name, and does not shift the indices of the others") {
    CHECK(paths(lowered<seq<relu, named<"body", seq<relu, named<"conv", conv<4, 3>>>>, relu>>({1, 8, 8})) ==
          names{"layer.0", "layer.body.0", "layer.body.conv", "layer.2"});
}

TEST_CASE("numbered counts its layers from another number, as if they stood in the sequence around it") {
    CHECK(paths(lowered<seq<numbered<4, max_pool<2>, conv<4, 3>, named<"act", relu>, relu>>>({1, 8, 8})) ==
          names{"layer.4", "layer.5", "layer.act", "layer.7"});
}

TEST_CASE("identity, tap and an empty sequence add no node") {
    CHECK(lowered<identity>({1, 8, 8}).size() == 1);
    CHECK(lowered<seq<>>({1, 8, 8}).size() == 1);
    CHECK(lowered<seq<tap<"here">, seq<>, identity>>({1, 8, 8}).size() == 1);
}

TEST_CASE("residual adds the body to what came in; its shortcut may be a layer") {
    const graph plain = lowered<residual<seq<conv<3, 3>, relu>>>({3, 8, 8});
    REQUIRE(plain.size() == 4);
    CHECK(plain[3].kind == op::add);
    CHECK(plain[3].inputs == std::array{2, 0});

    const graph projected = lowered<residual<conv<8, 3, stride<2>>, conv<8, 1, stride<2>>>>({3, 8, 8});
    REQUIRE(projected.size() == 4);
    CHECK(projected[3].inputs == std::array{1, 2});
    CHECK(projected[3].out == shape{8, 4, 4});
    CHECK(paths(projected) == names{"layer.0", "layer.1", "layer"});
}

TEST_CASE("sums and concatenations of many branches are chains of pairs in the order written") {
    const graph sum = lowered<sum_of<conv<2, 1>, conv<2, 3>, conv<2, 5>>>({1, 8, 8});
    CHECK(count(sum, op::add) == 2);
    const graph joined = lowered<concat_of<conv<2, 1>, identity, conv<5, 3>>>({3, 8, 8});
    CHECK(count(joined, op::concat) == 2);
    CHECK(joined[joined.heads[0].output].out == shape{2 + 3 + 5, 8, 8});
    CHECK(joined[2].inputs == std::array{1, 0});
    CHECK(joined[4].inputs == std::array{2, 3});
}

TEST_CASE("concat and add read what a tap remembered") {
    const graph g = lowered<seq<conv<4, 3>, tap<"skip">, max_pool<2>, upsample_nearest<2>, concat<"skip">, conv<4, 3>, add<"skip">>>({1, 8, 8});
    REQUIRE(g.ok());
    CHECK(g[4].inputs == std::array{3, 1});
    CHECK(g[4].out == shape{8, 8, 8});
    CHECK(g[6].inputs == std::array{5, 1});
}

TEST_CASE("a layer of one's own lowers by its overload, a derived one as its base") {
    const graph own = lowered<seq<mine::swish_block, mine::short_name>>({1, 8, 8});
    REQUIRE(own.ok());
    CHECK(paths(own) == names{"layer.0.0", "layer.0.1", "layer.1.0", "layer.1.1"});
    static_assert(is_layer<mine::swish_block> && is_layer<mine::short_name>);
    static_assert(!is_layer<int> && !is_layer<graph>);
}
