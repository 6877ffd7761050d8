// SPDX-License-Identifier: MIT
#include <cstdint>
#include <string>

#include <doctest/doctest.h>

#include <umsrep/graph/count.hpp>

#include "random_graph.hpp"
#include "simulator.hpp"

using namespace umsrep;
using namespace umsrep::test;

namespace {

std::ptrdiff_t dense(shape s) { return s.size(); }
/// A layout as a fast backend has it: blocks of 16 channels with a border of zeros.
std::ptrdiff_t blocked(shape s) { return std::ptrdiff_t{(s.c + 15) / 16 * 16} * (s.h + 2) * (s.w + 2); }

std::string text_of(const mode& m) {
    return std::string(m.training ? "train" : m.logits ? "validate" : "infer") + ", heads " + std::to_string(m.heads & 7) + ", first trained stage " +
           std::to_string(m.first_trained_stage) + ", norms " + std::to_string(static_cast<int>(m.norms));
}

} // namespace

TEST_CASE("every read of a plan finds the value it needs, on random networks in every mode") {
    constexpr seed s{11};
    INFO("seed " << s.value);
    int in_place = 0, accumulated = 0, fused = 0, plans = 0;
    for (std::uint64_t i = 0; i < 300; ++i) {
        random_stream r(s, "graph", i);
        const graph g = random_graph(r);
        INFO("network " << i);
        REQUIRE_MESSAGE(g.ok(), to_string(g.error));
        for (const mode& m : modes_of(g)) {
            const execution_plan p = make_plan(g, m, i % 2 == 0 ? dense : blocked);
            INFO(text_of(m));
            REQUIRE(simulator(g, m, p).run() == "");
            REQUIRE(overlapping(p) == "");
            ++plans;
            for (int n = 1; n < g.size(); ++n) {
                const node_plan& here = p.nodes[static_cast<std::size_t>(n)];
                in_place += here.value >= 0 && here.value == p.nodes[static_cast<std::size_t>(g[n].inputs[0])].value ? 1 : 0;
                accumulated += here.accumulate[0] || here.accumulate[1] ? 1 : 0;
            }
            for (const step& one : p.steps) fused += one.last > one.first ? 1 : 0;
        }
    }
    // The property would be empty if the random networks never met these.
    CHECK(plans > 5000);
    CHECK(in_place > 1000);
    CHECK(accumulated > 1000);
    CHECK(fused > 1000);
}

TEST_CASE("the simulator notices a plan that is wrong") {
    graph_builder b({1, 8, 8});
    int x = b.in("encoder", [&] { return b.in("e1", [&] { return lower_layer(b, 0, seq<conv<4, 3>, relu, conv<4, 3>, sigmoid>{}); }); });
    b.value().stages.push_back({"e1", 1, b.size(), x});
    b.owner(1);
    x = b.in("a", [&] { return lower_layer(b, x, seq<conv<4, 3>, add<"e1">>{}); });
    (void)x;
    b.value().error = {}; // nothing was remembered under "e1"; the sum is left out
    x = detail::append_pair(b, op::add, "add", x, 4);
    b.value().heads.push_back({"a", 5, b.size(), 4, x, x});
    const graph g = b.value();
    mode m{};
    m.training = true;
    const execution_plan good = make_plan(g, m, dense);
    REQUIRE(simulator(g, m, good).run() == "");

    const auto broken = [&](auto breakage) {
        execution_plan p = good;
        breakage(p);
        return simulator(g, m, p).run();
    };
    CHECK(broken([](execution_plan& p) { p.nodes[2].value = p.nodes[1].value = p.nodes[3].value; }) != "");
    CHECK(broken([](execution_plan& p) { for (buffer& one : p.buffers) one.offset = 0; }) != "");
    CHECK(broken([](execution_plan& p) { p.arena -= 1; }) != "");
    CHECK(broken([](execution_plan& p) { p.steps.pop_back(); }) != "");
    CHECK(broken([](execution_plan& p) { std::swap(p.steps[0], p.steps[1]); }) != "");
    CHECK(broken([](execution_plan& p) { for (node_plan& n : p.nodes) n.accumulate = {false, false}; }) != "");
    CHECK(broken([](execution_plan& p) { for (node_plan& n : p.nodes) n.accumulate = n.differentiate; }) != "");
    CHECK(broken([](execution_plan& p) { p.nodes[3].trains = false; }) != "");
}

TEST_CASE("buffers are multiples of the granularity and offsets are aligned to it") {
    random_stream r(seed{12}, "graph");
    const graph g = random_graph(r);
    for (const mode& m : modes_of(g))
        for (const buffer& b : make_plan(g, m, dense).buffers) {
            CHECK(b.size % arena_granularity == 0);
            CHECK(b.offset % arena_granularity == 0);
        }
}

TEST_CASE("the arena is at least what is alive at one moment, and seldom much more") {
    constexpr seed s{13};
    INFO("seed " << s.value);
    double gap = 0;
    int plans = 0;
    for (std::uint64_t i = 0; i < 50; ++i) {
        random_stream r(s, "graph", i);
        const graph g = random_graph(r);
        for (const mode& m : modes_of(g)) {
            const arena_use use = use_of(make_plan(g, m, dense));
            REQUIRE(use.arena >= use.live);
            gap += static_cast<double>(use.arena - use.live) / static_cast<double>(use.live);
            ++plans;
        }
    }
    CHECK(gap / plans < 0.05);
}

TEST_CASE("inference keeps no more than two buffers along a chain") {
    graph_builder b({16, 8, 8});
    const int x = b.in("encoder", [&] {
        return b.in("e1", [&] {
            return lower_layer(b, 0, seq<conv<16, 3>, batch_norm, relu, conv<16, 3>, batch_norm, relu, conv<16, 3>, relu>{});
        });
    });
    b.value().stages.push_back({"e1", 1, b.size(), x});
    b.owner(1);
    const int y = b.in("a", [&] { return lower_layer(b, x, conv<16, 1>{}); });
    b.value().heads.push_back({"a", y, b.size(), x, y, y});
    const execution_plan p = make_plan(b.value(), infer::value(1), dense);
    CHECK(p.arena == 2 * 16 * 8 * 8);
    CHECK(p.count(phase::forward) == 4); // each convolution with what follows it
}
