// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <umsrep/graph/count.hpp>

#include "../layer/lowered.hpp"

using namespace umsrep;
using namespace umsrep::test;

namespace {
template <class Layer>
constexpr std::int64_t macs_of(shape image) {
    const graph g = lowered<Layer>(image);
    std::int64_t total = 0;
    for (const node& n : g.nodes) total += macs(n);
    return total;
}
} // namespace

TEST_CASE("multiply-accumulates of each layer, counted by hand") {
    static_assert(macs_of<conv<64, 7, stride<2>>>({3, 224, 224}) == 118'013'952); // the first layer of every ResNet
    static_assert(macs_of<conv<8, extent{3, 1}>>({4, 10, 10}) == 100 * 8 * 4 * 3);
    static_assert(macs_of<conv<8, 3, groups<4>>>({8, 10, 10}) == 100 * 8 * 2 * 9);
    static_assert(macs_of<conv<8, 3, groups<8>>>({8, 10, 10}) == 100 * 8 * 9); // depthwise
    static_assert(macs_of<conv_transpose<4, 2, stride<2>>>({8, 5, 5}) == 25 * 8 * 4 * 4);
    static_assert(macs_of<conv_transpose<4, 3, stride<2>, groups<2>>>({8, 5, 5}) == 25 * 8 * 2 * 9);
    static_assert(macs_of<linear<10>>({8, 5, 5}) == 200 * 10);
    static_assert(macs_of<seq<batch_norm, relu, max_pool<2>, upsample_bilinear<2>, dropout<0.5>, global_avg_pool, softmax>>({8, 4, 4}) == 0);
    CHECK(true);
}

TEST_CASE("the arena's use counts what is alive at each step") {
    execution_plan p;
    p.steps.resize(4);
    p.buffers = {{0, 100, 0, 1, false}, {100, 50, 1, 3, false}, {0, 80, 2, 3, true}, {80, 10, 3, 3, true}};
    p.arena = 150;
    const arena_use use = use_of(p);
    CHECK(use.activations == 150); // step 1
    CHECK(use.gradients == 90);    // step 3
    CHECK(use.live == 150);
    CHECK(use.arena == 150);
}

TEST_CASE("a workspace is enough for every batch up to the capacity, also where a small one needs more") {
    const graph g = lowered<relu>({8, 4, 4});
    execution_plan p;
    p.nodes.resize(g.nodes.size());
    p.nodes.back().value = 0;
    const auto size = [](const node&, int batch, int threads, bool) { return std::ptrdiff_t{batch == 3 ? 700 : 100 * batch * threads}; };
    CHECK(workspace_of(g, p, size, 2, 1) == 200);
    CHECK(workspace_of(g, p, size, 5, 1) == 700);
    CHECK(workspace_of(g, p, size, 5, 2) == 1000);
    const auto by_use = [](const node&, int batch, int, bool training) { return std::ptrdiff_t{(training ? 10 : 1) * batch}; };
    CHECK(workspace_of(g, p, by_use, 5, 1) == 5);
    p.what.training = true;
    CHECK(workspace_of(g, p, by_use, 5, 1) == 50);
}
