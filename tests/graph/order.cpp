// SPDX-License-Identifier: MIT
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <tests/support/graph_writer.hpp>
#include <umsrep/graph/order.hpp>

#include "random_graph.hpp"

using namespace umsrep;
using namespace umsrep::test;

namespace {
std::vector<step> steps_of(const graph& g, const mode& m, const storage_policy& storage = dense_storage) {
    const auto use = prune(g, m);
    const sharing share = fuse(g, m, use, storage);
    return order_steps(g, m, use, share, recompute(g, m, use, share), storage);
}
} // namespace

TEST_CASE("steps are topological: forward ascends, backward descends, a head lies between; what is computed twice is so between the two") {
    constexpr seed s{31};
    INFO("seed " << s.value);
    for (std::uint64_t i = 0; i < 100; ++i) {
        random_stream r(s, "graph", i);
        const graph g = random_graph(r);
        for (const mode& m : modes_of(g)) {
            std::vector<bool> computed(g.nodes.size(), false), differentiated(g.nodes.size(), false);
            computed[0] = true;
            for (const step& one : steps_of(g, m)) {
                REQUIRE(one.first <= one.last);
                for (int n = one.first; n <= one.last && one.what == phase::forward; ++n) {
                    for (const int input : g[n].inputs)
                        if (input >= 0) REQUIRE(computed[static_cast<std::size_t>(input)]);
                    computed[static_cast<std::size_t>(n)] = true;
                }
                for (int n = one.last; n >= one.first && one.what == phase::backward; --n) {
                    REQUIRE(computed[static_cast<std::size_t>(n)]);
                    for (const int input : g[n].inputs)
                        if (input >= 0) REQUIRE_FALSE(differentiated[static_cast<std::size_t>(input)]);
                    differentiated[static_cast<std::size_t>(n)] = true;
                }
                if (one.what == phase::recompute)
                    for (std::size_t n = static_cast<std::size_t>(one.first); n <= static_cast<std::size_t>(one.last); ++n)
                        REQUIRE((computed[n] && !differentiated[n]));
                if (one.what == phase::head) REQUIRE(computed[static_cast<std::size_t>(one.first)]);
            }
        }
    }
}

TEST_CASE("the encoder comes first; then every head is finished, backward included, before the next; then the encoder's backward") {
    constexpr seed s{32};
    INFO("seed " << s.value);
    for (std::uint64_t i = 0; i < 100; ++i) {
        random_stream r(s, "graph", i);
        const graph g = random_graph(r);
        for (const mode& m : modes_of(g)) {
            int part = -1; // -1: encoder forward; h: head h; head_count: encoder backward
            phase last = phase::forward;
            for (const step& one : steps_of(g, m)) {
                const int owner = g[one.first].owner;
                int now = owner - g.stage_count();
                const phase what = one.what == phase::recompute ? phase::backward : one.what; // it belongs to the backward pass
                if (owner < g.stage_count()) now = what == phase::backward ? g.head_count() : -1;
                REQUIRE(now >= part);
                if (now > part) last = phase::forward;
                REQUIRE((now == g.head_count() || static_cast<int>(what) >= static_cast<int>(last))); // forward, head, backward
                part = now;
                last = what;
            }
        }
    }
}

TEST_CASE("a prediction's step goes on with what its backend computes at once with the beginning; a training step does not") {
    graph_writer w({1, 8, 8});
    w.stage("e1");
    const int skip = w.relu(w.batch_norm(w.conv(0, 4, {.kernel = 3, .padding = 1}))); // nodes 1 to 3
    w.stage("e2");
    const int pool = w.pool(skip, op::max_pool, {.kernel = 2, .stride = 2}); // 4
    const int low = w.relu(pool);                                            // 5, in the pool's place
    w.head("a", skip);
    w.pool(skip, op::max_pool, {.kernel = 2, .stride = 2}); // 6: the node before it is not what it reads
    w.head("b", low);
    w.conv(low, 2, {}); // 7
    const graph g = w.finish();
    const storage_policy joining{.joins = [](const node& first, const node& n) { return first.kind == op::conv && n.kind == op::max_pool; }};
    const auto forward = [&](const mode& m, const storage_policy& storage) {
        std::vector<std::pair<int, int>> result;
        for (const step& s : steps_of(g, m, storage))
            if (s.what == phase::forward) result.emplace_back(s.first, s.last);
        return result;
    };
    using steps = std::vector<std::pair<int, int>>;
    const mode predict = infer::value(2), validation = validate::value(2);
    mode train{};
    train.training = true;
    CHECK(forward(predict, joining) == steps{{1, 5}, {6, 6}, {7, 7}});
    CHECK(forward(validation, joining) == steps{{1, 5}, {6, 6}, {7, 7}});
    CHECK(forward(predict, dense_storage) == steps{{1, 3}, {4, 5}, {6, 6}, {7, 7}});
    for (const auto& [first, last] : forward(train, joining)) CHECK((first == 4 || last < 4 || first > 5)); // the pool begins a step of its own
}
