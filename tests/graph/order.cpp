// SPDX-License-Identifier: MIT
#include <vector>

#include <doctest/doctest.h>

#include <umsrep/graph/order.hpp>

#include "random_graph.hpp"

using namespace umsrep;
using namespace umsrep::test;

namespace {
std::vector<step> steps_of(const graph& g, const mode& m) {
    const auto use = prune(g, m);
    const sharing share = fuse(g, m, use, dense_storage);
    return order_steps(g, m, use, share, recompute(g, m, use, share));
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
