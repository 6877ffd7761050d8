// SPDX-License-Identifier: MIT
// The executor's tests, on a device: what the host's machine shows of the backend's code, this shows of the device and of cuDNN.
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <tests/cuda/device_parity.hpp>

using namespace umsrep;
using namespace umsrep::test;

namespace parity = umsrep::test::device_parity;

namespace gpu_networks {

/// A machine where there is a device; else none, and the reason in the words by which CTest knows a skipped test.
std::shared_ptr<cuda::machine> machine_or_reason() {
    const cuda::availability a = cuda::available();
    if (a) return std::make_shared<cuda::machine>();
    MESSAGE("skipped: " << a.reason);
    return nullptr;
}

} // namespace gpu_networks

// A device adds up in floats, where the host's machine does in double.
TEST_CASE("on a device every operation computes, differentiates and infers what the reference does, in every precision") {
    const auto machine = gpu_networks::machine_or_reason();
    if (!machine) return;
    parity::check_operations<cuda::precision::fp32>(machine, 4);
    parity::check_operations<cuda::precision::tf32>(machine);
    parity::check_operations<cuda::precision::bf16>(machine);
    parity::check_operations<cuda::precision::fp16>(machine);
}

TEST_CASE("on a device networks compute in fp32 what the reference does: results, gradients, running statistics") {
    const auto machine = gpu_networks::machine_or_reason();
    if (!machine) return;
    for (std::uint64_t i = 0; i < 20; ++i) {
        random_stream r(seed{54}, "graph", i);
        const graph g = i % 2 == 0 ? random_network(r).value() : random_graph(r);
        INFO("network " << i);
        const std::vector<mode> modes = modes_of(g);
        for (std::size_t k = i % 11; k < modes.size(); k += 11) parity::check_network(machine, g, modes[k], 4);
    }
}

TEST_CASE("on a device networks in bf16 and fp16 compute what the reference does, as far as their digits go") {
    const auto machine = gpu_networks::machine_or_reason();
    if (!machine) return;
    parity::check_coarse_networks<cuda::precision::bf16>(machine, 10);
    parity::check_coarse_networks<cuda::precision::fp16>(machine, 10);
}

TEST_CASE("on a device a run that is captured gives the bits of one that is not") {
    const auto machine = gpu_networks::machine_or_reason();
    if (!machine) return;
    random_stream r(seed{53}, "graph", 3);
    const graph g = random_graph(r);
    thread_pool pool{1};
    const auto session = std::make_shared<cuda::session<cuda::machine, cuda::precision::bf16>>(g, machine);
    executor<on_cuda<cuda::precision::bf16>> e(g, infer::value(g.stage_count()), 4, pool, session);
    const run_inputs in(g, 4);
    std::vector<float> statistics = in.statistics, first;
    for (const int time : {1, 2, 3}) {
        std::vector<float> results;
        e.set_input(4, in.images.data());
        e.run(4, {in.parameters.data(), statistics.data(), nullptr, 0, 1}, seed{0}, 0,
              [&](int, tensor_view<float> result, auto) { results.insert(results.end(), result.begin(), result.end()); });
        if (time == 1) first = results;
        CHECK(results == first);
    }
}
