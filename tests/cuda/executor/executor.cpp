// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <tests/cuda/device_parity.hpp>
#include <tests/cuda/host_machine.hpp>
#include <tests/support/message_of.hpp>
#include <umsrep/loss/l2.hpp>
#include <umsrep/network/lower.hpp>
#include <umsrep/network/description.hpp>

using namespace umsrep;
using namespace umsrep::test;

namespace parity = umsrep::test::device_parity;

namespace {

/// Identities whose gradient a convolution adds to its own, of its output's place and of others, shortcuts, taps that three read.
template <int C>
struct two_layers : seq<conv<C, 3, no_bias>, batch_norm, relu, conv<C, 3, no_bias>, batch_norm> {};
struct residual_encoder : encoder<image<2, 8, 12>,
    stage<"e1", conv<8, 3>, relu, residual<two_layers<8>>, relu, residual<conv<8, 3>>, residual<seq<conv<8, 3>, relu>>>,
    stage<"e2", conv<16, 3, stride<2>>, batch_norm, residual<two_layers<16>>, relu, residual<residual<conv<16, 1>>>>> {};
struct residual_net : network<residual_encoder,
    head<"a", seq<conv_transpose<8, 2, stride<2>>, concat<"e1">, residual<conv<16, 3>>, conv<1, 1>>, loss::l2>,
    head<"b", seq<residual<conv<16, 3>>, conv<2, 1>>, loss::l2>> {};

/// Parts of a concatenation that read another part of it, by all that else stands behind a convolution or a norm in its graph.
struct parts_encoder : encoder<image<2, 8, 12>,
    stage<"e1", conv<8, 3>, concat_of<relu, identity>, conv<8, 3>, concat_of<residual<identity>, identity>>,
    stage<"e2", conv<8, 3, no_bias>, batch_norm, concat_of<relu, identity>, conv<8, 3>, concat_of<batch_norm, identity>>,
    stage<"e3", conv_transpose<8, 2, stride<2>>, concat_of<conv<8, 3>, identity>, conv<8, 3>, concat_of<gelu, identity>>,
    stage<"e4", conv<8, 3, no_bias>, batch_norm>,
    stage<"e5", relu, concat_of<identity, conv<8, 3>>>> {};
struct parts_net : network<parts_encoder, head<"a", conv<2, 1>, loss::l2>> {};

} // namespace

TEST_CASE("every operation computes, differentiates and infers what the reference does, in every precision") {
    const auto machine = std::make_shared<host_machine>();
    parity::check_operations<cuda::precision::fp32>(machine);
    parity::check_operations<cuda::precision::bf16>(machine);
    parity::check_operations<cuda::precision::fp16>(machine);
    CHECK(machine->late_kernels().empty());
}

TEST_CASE("random networks in every mode compute in fp32 what the reference does: results, gradients, running statistics") {
    constexpr seed s{51};
    INFO("seed " << s.value);
    const auto machine = std::make_shared<host_machine>();
    int runs = 0;
    for (std::uint64_t i = 0; i < 40; ++i) {
        random_stream r(s, "graph", i);
        const graph g = random_graph(r);
        INFO("network " << i);
        for (const mode& m : modes_of(g)) {
            parity::check_network(machine, g, m);
            ++runs;
        }
    }
    CHECK(runs > 1000);
}

TEST_CASE("so do wider ones, where parts of concatenations are slices, and convolutions add what others gave to a gradient") {
    constexpr seed s{55};
    INFO("seed " << s.value);
    const auto machine = std::make_shared<host_machine>();
    int slices = 0, gradients = 0, copies = 0, sums = 0;
    const auto check = [&](const graph& g, std::size_t first, std::size_t stride) {
        const std::vector<mode> modes = modes_of(g);
        for (std::size_t k = first % stride; k < modes.size(); k += stride) {
            const execution_plan plan = make_plan(g, modes[k], cuda::device_storage);
            for (const node_plan& n : plan.nodes) {
                slices += n.value_slice ? 1 : 0;
                sums += n.sums ? 1 : 0;
                gradients += n.gradient_slice ? 1 : 0;
            }
            for (const cuda::work& w : cuda::list_work(g, plan, 2, cuda::precision::fp32)) {
                copies += w.ours() && w.kind == op::concat ? 1 : 0;
                if (w.ours() || (w.kind != op::batch_norm && w.kind != op::max_pool && w.kind != op::avg_pool)) continue;
                for (const cuda::operand& o : w.operands) { // for such graphs cuDNN has no engine
                    const node_plan& n = plan.nodes[static_cast<std::size_t>(o.node)];
                    const bool slice = (o.part == cuda::part_of_node::value && n.value_slice) ||
                                       (o.part == cuda::part_of_node::gradient && n.gradient_slice);
                    CHECK_MESSAGE((!slice || (w.kind == op::batch_norm && w.graph.operations.size() > 1 && o.what != cuda::role::input)),
                                  w.name() << " " << cuda::name(o.what) << ", " << parity::text(g, modes[k]));
                }
            }
            parity::check_network(machine, g, modes[k]);
        }
    };
    for (std::uint64_t i = 0; i < 40; ++i) {
        INFO("network " << i);
        random_stream r(s, "graph", i);
        check(random_graph<2>(r), i, 7);
        random_stream again(s, "graph", i);
        check(random_graph<4>(again), i, 11);
    }
    check(lower<residual_net>(), 0, 1);
    check(lower<parts_net>(), 0, 1);
    CHECK(machine->late_kernels().empty());
    CHECK(slices > 100);
    CHECK(gradients > 100);
    CHECK(copies > 20);
    CHECK(sums > 100);
}

TEST_CASE("networks as people build them do so, too") {
    constexpr seed s{54};
    INFO("seed " << s.value);
    const auto machine = std::make_shared<host_machine>();
    for (std::uint64_t i = 0; i < 30; ++i) {
        random_stream r(s, "graph", i);
        const graph g = random_network(r).value();
        INFO("network " << i);
        const std::vector<mode> modes = modes_of(g);
        for (std::size_t k = i % 11; k < modes.size(); k += 11) parity::check_network(machine, g, modes[k]);
        parity::check_network(machine, g, modes[0]);
    }
    CHECK(machine->late_kernels().empty());
}

TEST_CASE("random networks in bf16 and fp16 compute what the reference does, as far as their digits go") {
    const auto machine = std::make_shared<host_machine>();
    parity::check_coarse_networks<cuda::precision::bf16>(machine, 40);
    parity::check_coarse_networks<cuda::precision::fp16>(machine, 40);
    parity::check_coarse_networks<cuda::precision::bf16, 2>(machine, 20);
    parity::check_coarse_networks<cuda::precision::fp16, 2>(machine, 20);
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
            INFO("network " << i << ", " << parity::text(g, m));
            const run_traces expected = trace_device<cuda::precision::bf16>(std::make_shared<host_machine>(), g, m, in, 3, 1);
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

TEST_CASE("a norm by the batch of one value is refused, whoever computes it") {
    for (const int channels : {3, 8}) {
        const graph g = parity::graph_around(plain_node(op::batch_norm, {channels, 1, 1}, {.value = 1e-5}));
        mode train;
        train.training = true;
        const run_inputs in(g, 1);
        CHECK(message_of<shape_mismatch>([&] {
                  trace_device<cuda::precision::fp32>(std::make_shared<host_machine>(), g, train, in, 1, 1);
              }) == message_of<shape_mismatch>([&] { trace_reference<float>(g, train, in, 1, 1); }));
        CHECK(relative_error(trace_device<cuda::precision::fp32>(std::make_shared<host_machine>(), g, {}, in, 1, 1).results,
                             trace_reference<double>(g, {}, in, 1, 1).results) < 1e-5);
    }
}

TEST_CASE("where memory does not suffice for a larger batch, the smaller one goes on") {
    const auto machine = std::make_shared<host_machine>();
    random_stream r(seed{53}, "graph", 3);
    const graph g = random_graph(r);
    thread_pool pool{1};
    const auto session = std::make_shared<cuda::session<host_machine, cuda::precision::fp32>>(g, machine);
    using device_executor = executor<on_cuda<cuda::precision::fp32, host_machine>>;
    device_executor small(g, infer::value(g.stage_count()), 2, pool, session);
    const run_inputs in(g, 2);
    const auto run = [&] {
        std::vector<float> results, statistics = in.statistics;
        small.set_input(2, in.images.data());
        small.run(2, {in.parameters.data(), statistics.data(), nullptr, 0, 1}, seed{0}, 0,
                  [&](int, tensor_view<float> result, auto) { results.insert(results.end(), result.begin(), result.end()); });
        return results;
    };
    const std::vector<float> first = run();
    CHECK(run() == first); // captured
    machine->allow(static_cast<std::size_t>(small.plan().arena) * 2 * sizeof(float));
    CHECK_THROWS_AS(device_executor(g, infer::value(g.stage_count()), 3, pool, session), device_error);
    CHECK(run() == first);
    CHECK(run() == first);
}
