// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include <umsrep/backend/executor.hpp>

#include <tests/backend/deferring.hpp>
#include <tests/backend/operation.hpp>
#include <tests/graph/random_graph.hpp>

using namespace umsrep;
using namespace umsrep::test;

namespace {

/// Everything that a run leaves: the heads' results one after another, the gradients, the running statistics.
struct traces {
    std::vector<double> results, gradients, statistics;
};

/// Draws the values that a network is run on.
struct inputs_of {
    std::vector<double> parameters, images, statistics;

    inputs_of(const graph& g, int n)
        : parameters(static_cast<std::size_t>(g.parameters)), images(static_cast<std::size_t>(n * g.nodes[0].out.size())),
          statistics(static_cast<std::size_t>(g.statistics)) {
        random_stream r(seed{3}, "values");
        for (auto* v : {&parameters, &images})
            for (double& x : *v) x = static_cast<double>(r.normal());
        for (double& x : statistics) x = 0.5 + static_cast<double>(r.uniform()); // a mean and a variance
    }
};

/// Two passes with losses that weigh every result differently, on random images and parameters; all other memory begins as NaN.
template <class Backend>
traces run_twice(const graph& g, const mode& m) {
    constexpr int n = 3;
    const auto [parameters, images, statistics] = inputs_of(g, n);
    traces t{{}, std::vector<double>(parameters.size(), 0), statistics};

    thread_pool pool{1};
    std::vector<std::pair<int, std::vector<double>>> features;
    if (m.computes == portion::rest) {
        mode frozen_stages = m;
        frozen_stages.computes = portion::frozen_stages;
        frozen_stages.checkpoint = false;
        executor<Backend> e(g, frozen_stages, n, pool);
        e.set_input(n, images.data());
        e.run(n, {parameters.data(), t.statistics.data(), nullptr, 0}, seed{7}, 1, [](int, tensor_view<double>, tensor_view<double>) {});
        for (int i = 1; i < g.size(); ++i)
            if (e.plan().nodes[static_cast<std::size_t>(i)].wanted)
                e.get_value(i, n, features.emplace_back(i, static_cast<std::size_t>(n * g[i].out.size())).second.data());
    }
    auto memory = std::make_shared<executor_memory<double>>();
    executor<Backend> e(g, m, n + 1, pool, memory);
    for (auto* a : {&memory->arena, &memory->workspace, &memory->workers, &memory->saved, &memory->border})
        std::fill(a->span().begin(), a->span().end(), std::numeric_limits<double>::quiet_NaN());
    for (const std::uint64_t step : {1u, 2u}) {
        e.set_input(n, images.data());
        for (const auto& [node, values] : features) e.set_value(node, n, values.data());
        e.run(n, {parameters.data(), t.statistics.data(), t.gradients.data(), 0}, seed{7}, step,
              [&](int, tensor_view<double> result, tensor_view<double> gradient) {
                  t.results.insert(t.results.end(), result.begin(), result.end());
                  for (std::ptrdiff_t i = 0; i < gradient.size(); ++i)
                      gradient.data[i] = std::sin(static_cast<double>(i + 1)) + result.data[i];
              });
    }
    return t;
}

} // namespace

TEST_CASE("a backend that defers all it may computes what the reference does, on random networks in every mode") {
    constexpr seed s{41};
    INFO("seed " << s.value);
    int deferred = 0, runs = 0;
    for (std::uint64_t i = 0; i < 60; ++i) {
        random_stream r(s, "graph", i);
        const graph g = random_graph(r);
        INFO("network " << i);
        for (const mode& m : modes_of(g)) {
            if (m.checkpoint) continue;
            INFO("training " << m.training << ", heads " << (m.heads & 7) << ", first trained stage " << m.first_trained_stage << ", norms "
                             << static_cast<int>(m.norms));
            const traces expected = run_twice<reference<double>>(g, m), got = run_twice<deferring>(g, m);
            REQUIRE(relative_error(got.results, expected.results) < 1e-9);
            REQUIRE(relative_error(got.gradients, expected.gradients) < 1e-9);
            REQUIRE(relative_error(got.statistics, expected.statistics) < 1e-9);
            ++runs;
            for (const node_plan& n : make_plan(g, m, deferring::storage).nodes) deferred += n.deferred ? 1 : 0;
        }
    }
    CHECK(runs > 1000);
    CHECK(deferred > 3000);
}

TEST_CASE_TEMPLATE("given what the frozen stages gave, the rest has the bits of the whole", Backend, reference<double>, deferring) {
    constexpr seed s{44};
    INFO("seed " << s.value);
    int given = 0;
    for (std::uint64_t i = 0; i < 40; ++i) {
        random_stream r(s, "graph", i);
        const graph g = random_graph(r);
        INFO("network " << i);
        for (mode m : modes_of(g)) {
            if (!m.training || m.first_trained_stage == 0 || m.norms == norm_statistics::adaptive) continue;
            const traces expected = run_twice<Backend>(g, m);
            m.computes = portion::rest;
            const traces got = run_twice<Backend>(g, m);
            REQUIRE(got.results == expected.results);
            REQUIRE(got.gradients == expected.gradients);
            REQUIRE(got.statistics == expected.statistics);
            for (const node_plan& n : make_plan(g, m, Backend::storage).nodes) given += n.given ? 1 : 0;
        }
    }
    CHECK(given > 500);
}

TEST_CASE_TEMPLATE("what is computed twice has the same bits, and running statistics move once", Backend, reference<double>, deferring) {
    constexpr seed s{43};
    INFO("seed " << s.value);
    int twice = 0;
    for (std::uint64_t i = 0; i < 40; ++i) {
        random_stream r(s, "graph", i);
        const graph g = random_graph(r);
        INFO("network " << i);
        for (mode m : modes_of(g)) {
            if (!m.checkpoint) continue;
            twice += make_plan(g, m, Backend::storage).count(phase::recompute);
            const traces got = run_twice<Backend>(g, m);
            m.checkpoint = false;
            const traces expected = run_twice<Backend>(g, m);
            REQUIRE(got.results == expected.results);
            REQUIRE(got.gradients == expected.gradients);
            REQUIRE(got.statistics == expected.statistics);
        }
    }
    CHECK(twice > 500);
}

TEST_CASE("an executor allocates what the plan's constants say, and a shared memory is as large as its largest user needs") {
    random_stream r(seed{42}, "graph");
    const graph g = random_graph(r);
    thread_pool pool{2};
    auto shared = std::make_shared<executor_memory<double>>();
    std::ptrdiff_t arena = 0, workspace = 0, workers = 0, saved = 0, border = 0;
    for (const mode& m : modes_of(g)) {
        const execution_plan p = make_plan(g, m, deferring::storage);
        arena = std::max(arena, p.arena * 4);
        workspace = std::max(workspace, workspace_of(g, p, deferring::workspace_size, 4, 2));
        workers = std::max(workers, worker_memory_of<deferring>(g, p, 4, 2) * 2);
        saved = std::max(saved, state_of(g, p, deferring::state_size));
        border = std::max(border, border_of(g, p, deferring::storage) * 4);
        const executor<deferring> e(g, m, 4, pool, shared);
        CHECK(static_cast<std::ptrdiff_t>(shared->arena.size()) == arena);
        CHECK(static_cast<std::ptrdiff_t>(shared->workspace.size()) == workspace);
        CHECK(static_cast<std::ptrdiff_t>(shared->workers.size()) == workers);
        CHECK(static_cast<std::ptrdiff_t>(shared->saved.size()) == saved);
        CHECK(static_cast<std::ptrdiff_t>(shared->border.size()) == border);
    }
    CHECK(workers > 0);
    CHECK(saved > 0);
    CHECK(border > 0);
}
