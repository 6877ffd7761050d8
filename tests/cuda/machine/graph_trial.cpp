// SPDX-License-Identifier: MIT
// Graphs are tried, and timed, in memory of their own: here on the machine that the host plays.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <tests/cuda/host_machine.hpp>
#include <tests/graph/random_graph.hpp>
#include <tests/support/message_of.hpp>
#include <tests/support/random_network.hpp>
#include <umsrep/backend/cuda/graph_trial.hpp>
#include <umsrep/backend/cuda/pooling.hpp>
#include <umsrep/backend/cuda/work.hpp>

using namespace umsrep;
using test::host_machine;
using test::message_of;

namespace graph_trial_test {

constexpr double no_limit = std::numeric_limits<double>::infinity();

/// Every different graph of some random networks, in every mode.
std::map<std::string, cuda::operation_graph> graphs(cuda::precision p) {
    std::map<std::string, cuda::operation_graph> all;
    for (std::uint64_t i = 0; i < 12; ++i) {
        random_stream r(seed{61}, "graph", i);
        const graph g = test::random_network(r).value();
        for (const mode& m : test::modes_of(g)) {
            if (m.checkpoint) continue;
            for (const cuda::work& w : cuda::list_work(g, make_plan(g, m, cuda::device_storage), 2, p))
                if (!w.ours()) all.emplace(cuda::key_of(w.graph), w.graph);
        }
    }
    return all;
}

node pool(extent kernel, extent stride, extent padding, shape in, shape out) {
    node n;
    n.kind = op::max_pool;
    n.in = in;
    n.out = out;
    n.a.kernel = kernel;
    n.a.stride = stride;
    n.a.padding = padding;
    return n;
}

/// A machine on which captured work takes these seconds, one after another.
void take(host_machine& m, std::vector<double> seconds, int& times) {
    m.takes = [seconds, &times](const host_machine::recording&) { return seconds.at(static_cast<std::size_t>(times++)); };
}

} // namespace graph_trial_test

TEST_CASE("any graph is timed in memory of its own, which is given back, and nothing else changes") {
    for (const cuda::precision p : {cuda::precision::fp32, cuda::precision::bf16}) {
        const auto graphs = graph_trial_test::graphs(p);
        CHECK(graphs.size() > 50);
        host_machine m;
        m.takes = [](const auto&) { return 1.0; };
        const host_machine::memory of_the_model = m.allocate(1 << 12);
        std::vector<unsigned char> before(of_the_model.bytes(), 0x5a), after(before.size(), 0);
        m.upload(of_the_model.address(), before.data(), before.size());
        const std::size_t held = m.held();
        for (const auto& [key, g] : graphs) {
            INFO(key);
            const auto ready = m.prepare(g, p);
            cuda::graph_trial trial(m, g);
            trial.check(*ready);
            CHECK(m.held() == held + trial.bytes() + ready->workspace());
            CHECK(trial.seconds(*ready, graph_trial_test::no_limit) == 1.0);
        }
        CHECK(m.held() == held);
        m.download(after.data(), of_the_model.address(), after.size());
        m.synchronize();
        CHECK(after == before);
    }
}

TEST_CASE("a graph takes the median of five measurements, of as many runs in a row as make a millisecond") {
    host_machine m;
    const auto g = graph_trial_test::graphs(cuda::precision::fp32).begin()->second;
    const auto ready = m.prepare(g, cuda::precision::fp32);
    int times = 0;
    const auto measured = [&](std::vector<double> seconds, double least) {
        cuda::graph_trial trial(m, g);
        times = 0;
        graph_trial_test::take(m, std::move(seconds), times);
        const std::size_t before = m.graphs();
        const double s = trial.seconds(*ready, least);
        return std::pair(s, m.graphs() - before);
    };
    // One run as it comes, one captured, then four captured together: the first measurements of each are not looked at.
    const auto [seconds, graphs] = measured({9, 0.25e-3, 9, 4e-3, 1.2e-3, 0.8e-3, 1.6e-3, 2e-3}, graph_trial_test::no_limit);
    CHECK(seconds == doctest::Approx(0.4e-3));
    CHECK(graphs == 1 + 1 + 4);
    CHECK(measured({9, 1e-7, 9, 1, 1, 1, 1, 1}, 1.0).second == 1 + 1 + 16); // no more than 16
    CHECK(measured({9, 5e-2, 9, 1, 1, 1, 1, 1}, 1.0).second == 1 + 1 + 1);
    // One that takes far more than the best so far is measured once.
    CHECK(measured({9, 5e-2}, 2e-2).first == 5e-2);
    CHECK(times == 2);
}

TEST_CASE("where there is no memory a plan goes untried, but is not timed") {
    host_machine m;
    const auto g = graph_trial_test::graphs(cuda::precision::fp32).begin()->second;
    const auto ready = m.prepare(g, cuda::precision::fp32);
    m.allow(16);
    cuda::graph_trial trial(m, g);
    trial.check(*ready);
    CHECK(m.graphs() == 0);
    const std::string message = message_of<device_error>([&] { trial.seconds(*ready, graph_trial_test::no_limit); });
    CHECK(message.starts_with("the host's machine: expected at most 16 bytes"));
}

TEST_CASE("nothing is tried while work is captured or rehearsed") {
    host_machine m;
    const auto g = graph_trial_test::graphs(cuda::precision::fp32).begin()->second;
    const auto ready = m.prepare(g, cuda::precision::fp32);
    cuda::graph_trial trial(m, g);
    CHECK_THROWS_AS(m.capture([&] { trial.check(*ready); }), std::logic_error);
    CHECK_THROWS_AS(m.rehearse([&] { trial.check(*ready); }), std::logic_error);
}

TEST_CASE("a max pool's backward is tried with indices of pixels that are in the image") {
    using graph_trial_test::pool;
    for (const node& n : {pool({3, 3}, {2, 2}, {1, 1}, {8, 7, 9}, {8, 4, 5}), pool({2, 2}, {1, 1}, {1, 1}, {8, 4, 4}, {8, 5, 5}),
                          pool({2, 4}, {2, 1}, {0, 2}, {8, 4, 4}, {8, 2, 5})}) {
        const cuda::operation_graph g = cuda::backward_pool(n, 2, cuda::precision::bf16);
        const auto& r = std::get<cuda::resample>(g.operations.at(0));
        const std::vector<std::int8_t> index = cuda::first_pixels(r);
        REQUIRE(index.size() == static_cast<std::size_t>(2 * n.out.size()));
        for (int y = 0; y < n.out.h; ++y)
            for (int x = 0; x < n.out.w; ++x) {
                const int i = index[static_cast<std::size_t>((y * n.out.w + x) * 8 + 3)];
                const int row = y * n.a.stride.h - n.a.padding.h + i / n.a.kernel.w;
                const int column = x * n.a.stride.w - n.a.padding.w + i % n.a.kernel.w;
                CHECK(i < n.a.kernel.h * n.a.kernel.w);
                CHECK((row >= 0 && row < n.in.h && column >= 0 && column < n.in.w));
            }
    }
}
