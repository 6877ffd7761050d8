// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <umsrep/loss/bce.hpp>
#include <umsrep/network/facts.hpp>

using namespace umsrep;

namespace {

struct net : network<encoder<image<1, 16, 16>,
    stage<"e1", conv<4, 3>, batch_norm, relu>,
    stage<"e2", max_pool<2>, conv<8, 3>, batch_norm, relu>,
    stage<"e3", max_pool<2>, conv<16, 3>, batch_norm, relu>>,
    head<"deep", seq<conv<4, 3>, batch_norm, relu, conv<1, 1>>, loss::bce>,
    head<"early", conv<1, 1>, loss::bce, from<"e1">>> {};

/// Number of nodes of stages [first, last) for which `f(node, use)` holds.
template <class F>
constexpr int count(const graph& g, const std::vector<node_use>& use, int first, int last, F f) {
    int n = 0;
    for (int i = 1; i < g.size(); ++i)
        if (g[i].owner >= first && g[i].owner < last && f(g[i], use[static_cast<std::size_t>(i)])) ++n;
    return n;
}
constexpr auto runs = [](const node&, const node_use& u) { return u.forward; };
constexpr auto differentiated = [](const node&, const node_use& u) { return u.backward; };
constexpr auto trained = [](const node&, const node_use& u) { return u.trains; };
constexpr auto by_batch = [](const node&, const node_use& u) { return u.batch_statistics; };

template <class Mode>
constexpr auto use_in(Mode) {
    return prune(lower<net>(), Mode::value(3));
}
constexpr mode only(int head, mode m) {
    m.heads = std::uint64_t{1} << head;
    return m;
}

} // namespace

TEST_CASE("inference differentiates nothing") {
    const graph g = lower<net>();
    CHECK(count(g, use_in(infer{}), 0, 5, differentiated) == 0);
    CHECK(count(g, use_in(infer{}), 0, 5, trained) == 0);
    CHECK(count(g, use_in(infer{}), 0, 5, by_batch) == 0);
    CHECK(count(g, use_in(infer{}), 0, 5, runs) == g.size() - 1);
}

TEST_CASE("training and validation stop at the logits") {
    const graph g = lower<net>();
    CHECK(count(g, use_in(train<joint<>>{}), 0, 5, runs) == g.size() - 1 - 2);
    CHECK(count(g, use_in(validate{}), 0, 5, runs) == g.size() - 1 - 2);
}

TEST_CASE("a frozen encoder runs forward by its running statistics, and nothing else of it is left") {
    const graph g = lower<net>();
    const auto use = use_in(train<joint<frozen>>{});
    CHECK(count(g, use, 0, 3, runs) == 3 + 4 + 4);
    CHECK(count(g, use, 0, 3, differentiated) == 0);
    CHECK(count(g, use, 0, 3, trained) == 0);
    CHECK(count(g, use, 0, 3, by_batch) == 0);
    CHECK(count(g, use, 3, 5, trained) == 4);
}

TEST_CASE("the last stages train, and the gradient stops before them") {
    const graph g = lower<net>();
    const auto use = use_in(train<joint<last<1>>>{});
    CHECK(count(g, use, 0, 2, differentiated) == 0);
    CHECK(count(g, use, 2, 3, trained) == 2);
    // The pooling in front of the first trained convolution needs no gradient either.
    CHECK(count(g, use, 2, 3, differentiated) == 3);
    CHECK(count(g, use, 0, 2, by_batch) == 0);
    CHECK(count(g, use, 2, 3, by_batch) == 1);
}

TEST_CASE("the first layer's input gets no gradient") {
    const graph g = lower<net>();
    const auto use = use_in(train<joint<all>>{});
    CHECK_FALSE(use[0].backward);
    CHECK(count(g, use, 0, 3, differentiated) == 3 + 4 + 4);
}

TEST_CASE("norm statistics of the encoder follow the strategy; those of the heads always move") {
    const graph g = lower<net>();
    const auto moving = [&](auto strategy, int first, int last) {
        return count(g, use_in(train<decltype(strategy)>{}), first, last, by_batch);
    };
    CHECK(moving(joint<all, norm_statistics::trained>{}, 0, 3) == 3);
    CHECK(moving(joint<all, norm_statistics::frozen>{}, 0, 3) == 0);
    CHECK(moving(joint<frozen, norm_statistics::adaptive>{}, 0, 3) == 3);
    CHECK(moving(joint<frozen, norm_statistics::frozen>{}, 3, 5) == 1);
}

TEST_CASE("a head that takes no part takes its own layers and the stages behind its tap with it") {
    const graph g = lower<net>();
    const auto use = prune(g, only(1, train<joint<>>::value(3)));
    CHECK(count(g, use, 0, 1, runs) == 3);
    CHECK(count(g, use, 1, 3, runs) == 0);
    CHECK(count(g, use, 3, 4, runs) == 0);
    CHECK(count(g, use, 4, 5, runs) == 1);
}

TEST_CASE("a frozen encoder has no backward steps, keeps nothing for them, and trains no parameters: facts of the plan") {
    constexpr auto& p = plan<net, train<joint<frozen>>>;
    constexpr int encoder_end = 12; // nodes 1 to 11
    static_assert([] {
        for (const step& s : p.steps)
            if (s.what == phase::backward && s.first < encoder_end) return false;
        for (int i = 0; i < encoder_end; ++i) {
            const node_plan& n = p.nodes[static_cast<std::size_t>(i)];
            if (n.gradient >= 0 || n.trains || n.differentiate[0] || n.accumulate[0]) return false;
        }
        return true;
    }());
    // Of the encoder, only what heads read outlives its own forward steps: e3's output, and e1's for the head on it.
    static_assert([] {
        int encoder_steps = 0;
        while (p.steps[static_cast<std::size_t>(encoder_steps)].last < encoder_end) ++encoder_steps;
        int kept = 0;
        for (int i = 0; i < encoder_end; ++i) {
            const buffer& b = p.buffers[static_cast<std::size_t>(p.nodes[static_cast<std::size_t>(i)].value)];
            if (b.dies < encoder_steps) continue;
            if (i == 3 || i == 11) ++kept;
            else if (p.nodes[static_cast<std::size_t>(i)].value != p.nodes[3].value &&
                     p.nodes[static_cast<std::size_t>(i)].value != p.nodes[11].value)
                return false;
        }
        return kept == 2;
    }());
    static_assert(trainable_parameters<net, train<joint<frozen>>> == (16 * 4 * 9 + 4) + 2 * 4 + (4 + 1) + (4 + 1));
    static_assert(plan<net, train<joint<all>>>.count(phase::backward) > p.count(phase::backward));
    CHECK(true);
}

TEST_CASE("what a cached strategy computes of a network is all but the frozen stages, and the other portion is those") {
    constexpr auto given = [](const node&, const node_use& u) { return u.given; };
    constexpr auto wanted = [](const node&, const node_use& u) { return u.wanted; };
    const graph g = lower<net>();
    const auto rest = use_in(train<cached<joint<last<1>>>>{});
    mode m = train<cached<joint<last<1>>>>::value(3);
    m.computes = portion::frozen_stages;
    const auto frozen_stages = prune(g, m);
    // Of e1 the early head reads the end, of e2 the last stage does; nothing else crosses.
    CHECK(count(g, rest, 0, 5, given) == 2);
    for (std::size_t i = 0; i < g.nodes.size(); ++i) {
        CHECK(rest[i].given == frozen_stages[i].wanted);
        CHECK(rest[i].given == (static_cast<int>(i) == g.stages[0].output || static_cast<int>(i) == g.stages[1].output));
    }
    CHECK_FALSE(rest[0].forward);
    CHECK(frozen_stages[0].forward);
    CHECK(count(g, rest, 0, 2, runs) == 2);
    CHECK(count(g, frozen_stages, 0, 2, runs) == 3 + 4);
    CHECK(count(g, frozen_stages, 2, 5, runs) == 0);
    CHECK(count(g, frozen_stages, 0, 5, given) == 0);
    CHECK(count(g, rest, 0, 5, wanted) == 0);
    const auto whole = use_in(train<joint<last<1>>>{});
    CHECK(count(g, rest, 2, 5, trained) == count(g, whole, 2, 5, trained));
    CHECK(count(g, rest, 2, 5, differentiated) == count(g, whole, 2, 5, differentiated));
    CHECK(count(g, rest, 0, 2, differentiated) == 0);
}

TEST_CASE("an early head alone wants no more of the frozen stages than it reads") {
    const graph g = lower<net>();
    mode m = only(1, train<cached<joint<frozen>>>::value(3));
    m.computes = portion::frozen_stages;
    CHECK(count(g, prune(g, m), 0, 1, runs) == 3);
    CHECK(count(g, prune(g, m), 1, 5, runs) == 0);
}
