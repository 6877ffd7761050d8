// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <tests/cuda/device_runs.hpp>
#include <tests/cuda/host_machine.hpp>
#include <tests/graph/random_graph.hpp>
#include <tests/support/bits.hpp>

using namespace umsrep;
using namespace umsrep::test;

namespace cuda_executor_test {

std::string text(const graph& g, const mode& m) {
    std::string s = "training " + std::to_string(m.training) + ", heads " + std::to_string(m.heads & 7) + ", first trained stage " +
                    std::to_string(m.first_trained_stage) + ", norms " + std::to_string(static_cast<int>(m.norms)) + ", twice " +
                    std::to_string(m.checkpoint) + ":";
    for (const node& n : g.nodes)
        s += " " + std::string(name(n.kind)) + "(" + std::to_string(n.inputs[0]) + "," + std::to_string(n.inputs[1]) + ")";
    return s;
}

/// The length of the difference over the length of what is expected.
double distance(const std::vector<double>& got, const std::vector<double>& expected) {
    double difference = 0, length = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        difference += (got.at(i) - expected[i]) * (got.at(i) - expected[i]);
        length += expected[i] * expected[i];
    }
    return length == 0 ? difference : std::sqrt(difference / length); // NaN stays NaN, and is below nothing
}

/// Random networks whose values are stored in 16 bits. `digits`: how many times coarser they are than floats. Some networks lose digits,
/// and a gradient may pass a ReLU or a pool that a rounding opens: there floats tell how far the error may go, and of gradients a few may
/// go further.
template <cuda::precision P>
void check_coarse_networks(double digits) {
    constexpr seed s{52};
    INFO("seed " << s.value);
    int runs = 0, wild = 0;
    for (std::uint64_t i = 0; i < 40; ++i) {
        random_stream r(s, "graph", i);
        const graph g = random_graph(r);
        const std::vector<mode> modes = modes_of(g);
        for (std::size_t k = i % 7; k < modes.size(); k += 7) {
            INFO("network " << i << ", " << text(g, modes[k]));
            const run_inputs in(g, 2);
            const run_traces expected = trace_reference<double>(g, modes[k], in, 2, 1),
                             in_float = trace_reference<float>(g, modes[k], in, 2, 1),
                             got = trace_device<host_machine, P>(g, modes[k], in, 2, 1);
            const auto allowed = [&](const std::vector<double>& floats, const std::vector<double>& wanted) {
                return digits * std::max(2e-7, distance(floats, wanted));
            };
            CHECK(distance(got.results, expected.results) < allowed(in_float.results, expected.results));
            CHECK(distance(got.statistics, expected.statistics) < allowed(in_float.statistics, expected.statistics));
            if (!(distance(got.gradients, expected.gradients) < allowed(in_float.gradients, expected.gradients))) ++wild;
            for (const double v : got.gradients) REQUIRE(v == v);
            ++runs;
        }
    }
    CHECK(runs > 100);
    CHECK(wild <= runs / 10);
}

} // namespace cuda_executor_test

TEST_CASE("random networks in every mode compute in fp32 what the reference does: results, gradients, running statistics") {
    constexpr seed s{51};
    INFO("seed " << s.value);
    int runs = 0;
    for (std::uint64_t i = 0; i < 40; ++i) {
        random_stream r(s, "graph", i);
        const graph g = random_graph(r);
        for (const mode& m : modes_of(g)) {
            INFO("network " << i << ", " << cuda_executor_test::text(g, m));
            const run_inputs in(g, 2);
            const run_traces expected = trace_reference<double>(g, m, in, 2, 2),
                             got = trace_device<host_machine, cuda::precision::fp32>(g, m, in, 2, 2),
                             in_float = trace_reference<float>(g, m, in, 2, 2);
            // Some of these networks lose digits: as many as the reference does in float may be lost.
            const auto check = [&](const std::vector<double>& a, const std::vector<double>& wanted, const std::vector<double>& floats) {
                CHECK(relative_error(a, wanted) < std::max(1e-5, 10 * relative_error(floats, wanted)));
            };
            check(got.results, expected.results, in_float.results);
            check(got.gradients, expected.gradients, in_float.gradients);
            check(got.statistics, expected.statistics, in_float.statistics);
            ++runs;
        }
    }
    CHECK(runs > 1000);
}

TEST_CASE("random networks in bf16 and fp16 compute what the reference does, as far as their digits go") {
    cuda_executor_test::check_coarse_networks<cuda::precision::bf16>(0x1p17);
    cuda_executor_test::check_coarse_networks<cuda::precision::fp16>(0x1p14);
}

TEST_CASE("given what the frozen stages gave, the rest has the bits of the whole") {
    constexpr seed s{44};
    INFO("seed " << s.value);
    using backend = on_cuda<cuda::precision::bf16, host_machine>;
    int given = 0;
    for (std::uint64_t i = 0; i < 15; ++i) {
        random_stream r(s, "graph", i);
        const graph g = random_graph(r);
        const run_inputs in(g, 3);
        for (mode m : modes_of(g)) {
            if (!m.training || m.first_trained_stage == 0 || m.norms == norm_statistics::adaptive) continue;
            INFO("network " << i << ", " << cuda_executor_test::text(g, m));
            const run_traces expected = trace_device<host_machine, cuda::precision::bf16>(g, m, in, 3, 1);
            thread_pool pool{1};
            const auto session = std::make_shared<cuda::session<host_machine, cuda::precision::bf16>>(g);
            mode frozen_stages = m;
            frozen_stages.computes = portion::frozen_stages;
            frozen_stages.checkpoint = false;
            executor<backend> before(g, frozen_stages, 3, pool, session);
            std::vector<float> statistics = in.statistics;
            before.set_input(3, in.images.data());
            before.run(3, {in.parameters.data(), statistics.data(), nullptr, 0}, seed{7}, 1, [](int, auto, auto) {});
            std::vector<std::vector<float>> kept;
            std::vector<int> nodes;
            for (int k = 1; k < g.size(); ++k)
                if (before.plan().nodes[static_cast<std::size_t>(k)].wanted) {
                    nodes.push_back(k);
                    before.get_value(k, 3, kept.emplace_back(static_cast<std::size_t>(3 * g[k].out.size())).data());
                }
            m.computes = portion::rest;
            executor<backend> rest(g, m, 4, pool, session); // its memory is that of the first
            for (std::size_t k = 0; k < nodes.size(); ++k) rest.set_value(nodes[k], 3, kept[k].data());
            const run_traces got = trace<float>(rest, g, in, 3, 1);
            CHECK(got.results == expected.results);
            CHECK(got.gradients == expected.gradients);
            CHECK(got.statistics == expected.statistics);
            given += static_cast<int>(nodes.size());
        }
    }
    CHECK(given > 100);
}

TEST_CASE("a run that is captured gives the bits of one that is not, allocates nothing and launches no kernel that was not rehearsed") {
    using backend = on_cuda<cuda::precision::bf16, host_machine>;
    random_stream r(seed{53}, "graph", 3);
    const graph g = random_graph(r);
    thread_pool pool{1};
    const auto session = std::make_shared<cuda::session<host_machine, cuda::precision::bf16>>(g);
    executor<backend> e(g, infer::value(g.stage_count()), 4, pool, session);
    const run_inputs in(g, 4);
    std::vector<float> statistics = in.statistics;
    const auto run = [&](int n, std::uint64_t version) {
        std::vector<float> results;
        e.set_input(n, in.images.data());
        e.run(n, {in.parameters.data(), statistics.data(), nullptr, 0, version}, seed{0}, 0,
              [&](int, tensor_view<float> result, auto) { results.insert(results.end(), result.begin(), result.end()); });
        return results;
    };
    const std::vector<float> first = run(3, 1);
    const std::vector<float> captured = run(3, 1);
    CHECK(captured == first);
    const std::size_t graphs = session->machine().graphs(), bodies = session->machine().bodies(),
                      allocations = session->machine().allocations();
    CHECK(run(3, 1) == first);
    CHECK(session->machine().graphs() == graphs);
    CHECK(session->machine().bodies() == bodies);
    CHECK(session->machine().allocations() == allocations);
    CHECK(session->machine().late_kernels().empty());

    const std::vector<float> all = run(4, 1); // another size of batch: its own work, perhaps in memory that moved
    CHECK(run(4, 1) == all);
    CHECK(run(3, 1) == first);
    for (float& v : statistics) v *= 1.5f;
    CHECK(run(3, 1) == first); // nobody said that they changed
    CHECK(run(3, 2) != first);
    CHECK(session->machine().late_kernels().empty());
}
