// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cstdint>
#include <string>

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
                             got = trace_device<host_machine, cuda::precision::fp32>(g, m, in, 2, 2);
            const run_traces in_float = trace_reference<float>(g, m, in, 2, 2);
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
    CHECK(runs > 300);
}
