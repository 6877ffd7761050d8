// SPDX-License-Identifier: MIT
#include <vector>

#include <doctest/doctest.h>

#include <umsrep/graph/count.hpp>
#include <umsrep/graph/lower.hpp>

using namespace umsrep;

namespace {

struct conv_relu : seq<conv<8, 3>, relu> {};

/// A U-Net of two levels: nodes 1 to 4 are e1, 5 to 9 e2; the head's layers are 10 to 14, 15 to 18, and 19.
graph two_levels() {
    graph_builder b({1, 8, 8});
    const auto stage_of = [&](std::string_view name, int owner, int from, auto layers) {
        b.owner(owner);
        const int first = b.size(), out = b.in(name, [&] { return lower_layer(b, from, layers); });
        b.value().stages.push_back({name, first, b.size(), out});
        return out;
    };
    int e1 = 0, e2 = 0;
    (void)b.in("encoder", [&] {
        e1 = stage_of("e1", 0, 0, seq<conv_relu, conv_relu>{});
        return e2 = stage_of("e2", 1, e1, seq<max_pool<2>, conv_relu, conv_relu>{});
    });
    b.remember("e1", e1);
    b.owner(2);
    const int first = b.size();
    using up = seq<conv_transpose<8, 2, stride<2>>, concat<"e1">, conv_relu, conv<8, 3>>;
    const int y = b.in("a", [&] { return lower_layer(b, e2, seq<up, seq<conv_relu, conv_relu>, conv<1, 1>>{}); });
    b.value().heads.push_back({"a", first, b.size(), e2, y, y});
    return b.value();
}

mode checkpointed_mode(int first_trained_stage = 0) {
    mode m{};
    m.training = m.checkpoint = true;
    m.first_trained_stage = first_trained_stage;
    return m;
}
std::vector<int> second(const graph& g, const mode& m, const storage_policy& storage = dense_storage) {
    const auto use = prune(g, m);
    return recompute(g, m, use, fuse(g, m, use, storage));
}
/// The nodes with a second buffer.
std::vector<int> twice(const graph& g, const mode& m, const storage_policy& storage = dense_storage) {
    std::vector<int> result;
    const std::vector<int> second_life = second(g, m, storage);
    for (int i = 0; i < g.size(); ++i)
        if (second_life[static_cast<std::size_t>(i)] >= 0) result.push_back(i);
    return result;
}
using nodes = std::vector<int>;

} // namespace

TEST_CASE("parts are the stages and the outermost layers of heads") {
    CHECK(parts_of_network(two_levels()) == std::vector<int>{-1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 4});
}

TEST_CASE("what others read is kept, the rest is computed twice, but not in the last part of a head") {
    const graph g = two_levels();
    // e1: its first block; its output is a skip connection. e2: pooling and its first block. The head: transposed convolution,
    // concatenation and first block; its second part is the last with anything inside.
    CHECK(twice(g, checkpointed_mode()) == nodes{1, 2, 5, 6, 7, 10, 11, 12, 13});
    mode plain = checkpointed_mode();
    plain.checkpoint = false;
    CHECK(twice(g, plain) == nodes{});
    mode prediction = plain;
    prediction.training = false;
    CHECK(twice(g, prediction) == nodes{});
}

TEST_CASE("of frozen stages nothing is computed twice") {
    const graph g = two_levels();
    CHECK(twice(g, checkpointed_mode(1)) == nodes{5, 6, 7, 10, 11, 12, 13});
    CHECK(twice(g, checkpointed_mode(2)) == nodes{10, 11, 12, 13});
}

TEST_CASE("the parts of a concatenation that is read in parts are computed again in their places") {
    const storage_policy in_parts{.dense = [](shape s) { return s.c < 8; }, .concat_block = 8};
    const graph g = two_levels();
    CHECK(twice(g, checkpointed_mode(), in_parts) == nodes{1, 2, 5, 6, 7, 10, 12, 13});
}

TEST_CASE("a part is computed again right before its backward pass, and costs its forward pass once more") {
    const graph g = two_levels();
    const execution_plan p = make_plan(g, checkpointed_mode(), dense_storage);
    std::vector<step> behind_head;
    for (const step& s : p.steps)
        if (!behind_head.empty() || s.what == phase::head) behind_head.push_back(s);
    using enum phase;
    CHECK(behind_head == std::vector<step>{{head, 19, 19, 0}, {backward, 19, 19}, {backward, 17, 18}, {backward, 15, 16},
                                           {recompute, 10, 10}, {recompute, 11, 11}, {recompute, 12, 13}, {backward, 14, 14}, {backward, 12, 13},
                                           {backward, 11, 11}, {backward, 10, 10},
                                           {recompute, 5, 5}, {recompute, 6, 7}, {backward, 8, 9}, {backward, 6, 7}, {backward, 5, 5},
                                           {recompute, 1, 2}, {backward, 3, 4}, {backward, 1, 2}});
    mode plain = checkpointed_mode();
    plain.checkpoint = false;
    const execution_plan once = make_plan(g, plain, dense_storage);
    CHECK(macs(g, p) - macs(g, once) == macs(g[1]) + macs(g[6]) + macs(g[10]) + macs(g[12]));
    CHECK(p.arena < once.arena);
}
