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

/// A layout as a fast backend has it: few channels and single pixels plain, the others in blocks; here of two, so that random networks
/// meet every case.
constexpr bool few_channels(shape s) { return s.c < 4 || s.plane() == 1; }
constexpr std::ptrdiff_t in_blocks(shape s) { return few_channels(s) ? s.size() : (s.c + 15) / 16 * 16 * s.plane(); }
constexpr storage_policy blocked{in_blocks, few_channels};
constexpr bool pools_apart(const node& n) { return n.kind != op::max_pool && n.kind != op::avg_pool && n.kind != op::batch_norm; }
constexpr bool pools_behind_convolution(const node& first, const node& n) { return first.kind == op::conv && n.kind == op::max_pool; }
constexpr bool convolves(const node& n) { return n.kind == op::conv || n.kind == op::conv_transpose; }
constexpr storage_policy policies[] = {dense_storage, blocked, {in_blocks, few_channels, true, 0}, {in_blocks, few_channels, false, 2},
                                       {in_blocks, few_channels, true, 2}, {.slice_block = 1, .adds_gradients = convolves}, {.slice_block = 2, .reads_slices = pools_apart},
                                       {.norm_gradients_in_place = false, .slice_block = 2, .writes_slices = pools_apart, .adds_gradients = convolves},
                                       {.elements = in_blocks, .dense = few_channels, .defers_norms = true, .concat_block = 2, .joins = pools_behind_convolution}};

std::string text_of(const mode& m) {
    return std::string(m.training ? "train"
                       : m.logits ? "validate"
                                  : "infer") +
           ", heads " + std::to_string(m.heads & 7) + ", first trained stage " + std::to_string(m.first_trained_stage) + ", norms " +
           std::to_string(static_cast<int>(m.norms)) + (m.checkpoint ? ", checkpointed" : "") +
           (m.computes == portion::rest            ? ", rest"
            : m.computes == portion::frozen_stages ? ", frozen stages"
                                                   : "");
}

/// What a cached strategy plans: the frozen stages apart, the rest given what they give, in training and in validation.
std::vector<mode> portions_of(const graph& g) {
    std::vector<mode> result;
    for (mode m : modes_of(g)) {
        if (!m.training || m.first_trained_stage == 0 || m.norms == norm_statistics::adaptive) continue;
        m.computes = portion::rest;
        result.push_back(m);
        if (m.checkpoint) continue;
        m.computes = portion::frozen_stages;
        result.push_back(m);
        m.computes = portion::rest;
        m.training = false;
        m.logits = true;
        result.push_back(m);
    }
    return result;
}

} // namespace

TEST_CASE("every read of a plan finds the value it needs, on random networks in every mode") {
    constexpr seed s{11};
    INFO("seed " << s.value);
    int in_place = 0, accumulated = 0, second = 0, fused = 0, plans = 0, norms = 0, activations = 0, concats = 0, twice = 0;
    int slices = 0, gradient_slices = 0, nested = 0, sums = 0, handed = 0, joined = 0;
    for (std::uint64_t i = 0; i < 1500; ++i) {
        random_stream r(s, "graph", i);
        const graph g = random_graph(r);
        INFO("network " << i);
        REQUIRE_MESSAGE(g.ok(), to_string(g.error));
        for (const mode& m : modes_of(g)) {
            const storage_policy& storage = policies[i % std::size(policies)];
            const execution_plan p = make_plan(g, m, storage);
            INFO(text_of(m));
            REQUIRE(simulator(g, m, p, storage).run() == "");
            REQUIRE(overlapping(p) == "");
            ++plans;
            for (int n = 1; n < g.size(); ++n) {
                const node_plan& here = p.nodes[static_cast<std::size_t>(n)];
                const bool shared = here.value >= 0 && here.value == p.nodes[static_cast<std::size_t>(g[n].inputs[0])].value;
                in_place += shared && !here.deferred ? 1 : 0;
                accumulated += here.accumulate[0] || here.accumulate[1] ? 1 : 0;
                second += here.accumulate_second[0] || here.accumulate_second[1] ? 1 : 0;
                slices += here.value_slice ? 1 : 0;
                sums += here.sums ? 1 : 0;
                for (const int x : g[n].inputs)
                    handed += x >= 0 && g[n].kind == op::add && p.nodes[static_cast<std::size_t>(x)].aside >= 0 &&
                                      p.nodes[static_cast<std::size_t>(x)].aside == here.gradient
                                  ? 1
                                  : 0;
                gradient_slices += here.gradient_slice ? 1 : 0;
                nested += g[n].kind == op::concat && here.value_slice ? 1 : 0;
                (g[n].kind == op::concat ? concats : g[n].kind == op::relu ? activations : norms) += here.deferred ? 1 : 0;
            }
            for (const step& one : p.steps) {
                fused += one.last > one.first ? 1 : 0;
                joined += one.what == phase::forward && p.nodes[static_cast<std::size_t>(one.first)].value != p.nodes[static_cast<std::size_t>(one.last)].value ? 1 : 0;
            }
            twice += p.count(phase::recompute);
        }
    }
    // The property would be empty if the random networks never met these.
    CHECK(plans > 5000);
    CHECK(in_place > 1000);
    CHECK(accumulated > 1000);
    CHECK(fused > 1000);
    CHECK(norms > 1000);
    CHECK(activations > 1000);
    CHECK(concats > 1000);
    CHECK(second > 200);
    CHECK(twice > 10000);
    CHECK(slices > 1000);
    CHECK(gradient_slices > 1000);
    CHECK(nested > 100);
    CHECK(sums > 500);
    CHECK(handed > 100);
    CHECK(joined > 20);
}

TEST_CASE("the frozen stages and the rest, planned apart, find what they need, on random networks") {
    constexpr seed s{12};
    INFO("seed " << s.value);
    int given = 0, wanted = 0, inner = 0;
    for (std::uint64_t i = 0; i < 400; ++i) {
        random_stream r(s, "graph", i);
        const graph g = random_graph(r);
        INFO("network " << i);
        for (const mode& m : portions_of(g)) {
            const storage_policy& storage = policies[i % std::size(policies)];
            const execution_plan p = make_plan(g, m, storage);
            INFO(text_of(m));
            REQUIRE(simulator(g, m, p, storage).run() == "");
            REQUIRE(overlapping(p) == "");
            for (int n = 1; n < g.size(); ++n) {
                given += p.nodes[static_cast<std::size_t>(n)].given ? 1 : 0;
                wanted += p.nodes[static_cast<std::size_t>(n)].wanted ? 1 : 0;
                inner += p.nodes[static_cast<std::size_t>(n)].given && g.stages[static_cast<std::size_t>(g[n].owner)].output != n ? 1 : 0;
            }
        }
    }
    CHECK(given > 1000);
    CHECK(wanted > 1000);
    CHECK(inner > 0); // taps within a stage
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
    const execution_plan good = make_plan(g, m, dense_storage);
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

TEST_CASE("the simulator notices a plan that defers what it may not, or loses what is deferred") {
    // 1 conv, 2 norm, 3 relu, 4 conv, 5 concat(4, 3), 6 conv, the head
    graph_builder b({1, 8, 8});
    const auto block = [&](int from) { return lower_layer(b, from, seq<conv<4, 3, no_bias>, batch_norm, relu>{}); };
    const int x = b.in("encoder", [&] { return b.in("e1", [&] { return block(0); }); });
    b.value().stages.push_back({"e1", 1, b.size(), x});
    b.owner(1);
    const int y = b.in("a", [&] {
        const int up = lower_layer(b, x, conv<4, 3>{});
        return lower_layer(b, detail::append_pair(b, op::concat, "concat", up, x), conv<4, 3>{});
    });
    b.value().heads.push_back({"a", 4, b.size(), x, y, y});
    const graph g = b.value();
    REQUIRE(g.size() == 7);
    mode m{};
    m.training = true;
    const storage_policy& storage = policies[4];
    const execution_plan good = make_plan(g, m, storage);
    REQUIRE(simulator(g, m, good, storage).run() == "");
    for (const std::size_t i : {2u, 3u, 5u}) REQUIRE(good.nodes[i].deferred);
    REQUIRE(good.nodes[3].value == good.nodes[1].value);

    const auto broken = [&](auto breakage) {
        execution_plan p = good;
        breakage(p);
        return simulator(g, m, p, storage).run();
    };
    CHECK(broken([](execution_plan& p) { p.nodes[4].value = p.nodes[1].value; }) != "");   // written over what is still read through
    CHECK(broken([](execution_plan& p) { p.nodes[5].deferred = false; }) != "");
    CHECK(broken([](execution_plan& p) { p.nodes[2].deferred = false; }) != "");           // the norm written over its kept input
    CHECK(broken([](execution_plan& p) { p.nodes[6].deferred = true; }) != "");            // a head's result
    CHECK(broken([](execution_plan& p) { p.nodes[4].deferred = true; }) != "");            // a convolution
    CHECK(broken([](execution_plan& p) { p.nodes[6].accumulate[0] = true; }) != "");       // added to nothing
    CHECK(broken([](execution_plan& p) { p.nodes[6].accumulate_second[0] = true; }) != "");
    CHECK(broken([](execution_plan& p) { p.nodes[4].accumulate[0] = false; }) != "");      // the concatenation's share is lost
    CHECK(broken([](execution_plan& p) { p.steps.insert(p.steps.begin() + 1, {phase::forward, 5, 5, -1}); }) != "");
    CHECK(simulator(g, m, good, dense_storage).run() != "");
    CHECK(simulator(g, m, good, blocked).run() != "");
}

TEST_CASE("buffers are multiples of the granularity and offsets are aligned to it") {
    random_stream r(seed{12}, "graph");
    const graph g = random_graph(r);
    for (const mode& m : modes_of(g))
        for (const buffer& b : make_plan(g, m, dense_storage).buffers) {
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
            const arena_use use = use_of(make_plan(g, m, dense_storage));
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
    const execution_plan p = make_plan(b.value(), infer::value(1), dense_storage);
    CHECK(p.arena == 2 * 16 * 8 * 8);
    CHECK(p.count(phase::forward) == 4); // each convolution with what follows it
}
