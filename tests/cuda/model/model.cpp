// SPDX-License-Identifier: MIT
// A model whose backend is a device's, on a machine that the host plays.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include <umsrep/backend/cuda/cuda.hpp>
#include <umsrep/io/weights.hpp>

#include <tests/cuda/host_machine.hpp>
#include <tests/support/bits.hpp>
#include <tests/support/message_of.hpp>
#include <tests/support/temporary_folder.hpp>
#include <tests/support/tiny.hpp>

using namespace umsrep;
using namespace umsrep::test;

namespace cuda_model_test {

using device_model = model<tiny, on_cuda<cuda::precision::fp32, host_machine>>;
using short_model = model<tiny, on_cuda<cuda::precision::bf16, host_machine>>;
using host_model = model<tiny, reference<float>>;

xt::xtensor<float, 4> images(std::size_t n) {
    auto x = xt::xtensor<float, 4>::from_shape(std::array<std::size_t, 4>{n, 1, 16, 16});
    random_stream r(seed{4}, "images");
    for (float& v : x) v = r.uniform();
    return x;
}

/// Weights and statistics that differ from those a model begins with.
template <class Model>
void disturb(Model& m, std::uint64_t s = 2) {
    random_stream r(seed{s}, "disturb");
    for (float& v : m.parameters()) v += 0.05f * r.normal();
    for (float& v : m.statistics()) v = 0.5f + r.uniform();
}

template <class Prediction>
std::vector<float> all_of(const Prediction& p) {
    std::vector<float> v;
    for (const auto& head : p.outputs) v.insert(v.end(), head.begin(), head.end());
    return v;
}

} // namespace cuda_model_test

TEST_CASE("a device predicts what the host does, whatever the batch") {
    cuda_model_test::host_model host{seed{1}, batch{4}};
    cuda_model_test::disturb(host);
    cuda_model_test::device_model device{seed{5}, batch{3}};
    cuda_model_test::short_model coarse{seed{5}, batch{3}};
    std::copy(host.parameters().begin(), host.parameters().end(), device.parameters().begin());
    std::copy(host.statistics().begin(), host.statistics().end(), device.statistics().begin());
    std::copy(host.parameters().begin(), host.parameters().end(), coarse.parameters().begin());
    std::copy(host.statistics().begin(), host.statistics().end(), coarse.statistics().begin());
    for (const std::size_t n : {1u, 3u, 8u, 8u}) { // 8 are 3, 3 and 2
        const auto x = cuda_model_test::images(n);
        const std::vector<float> expected = cuda_model_test::all_of(host.predict(x));
        CHECK(relative_error(cuda_model_test::all_of(device.predict(x)), expected) < 1e-5);
        CHECK(relative_error(cuda_model_test::all_of(coarse.predict(x)), expected) < 0.05);
    }
}

TEST_CASE("what is written to a model's parameters and statistics is seen by its next prediction") {
    cuda_model_test::host_model host{seed{1}, batch{2}};
    cuda_model_test::device_model device{seed{1}, batch{2}};
    const auto x = cuda_model_test::images(2);
    for (const std::uint64_t s : {1u, 2u, 3u}) {
        cuda_model_test::disturb(host, s);
        cuda_model_test::disturb(device, s);
        CHECK(relative_error(cuda_model_test::all_of(device.predict(x)), cuda_model_test::all_of(host.predict(x))) < 1e-5);
    }
    for (auto* tensors : {"weight", "running_var"}) {
        for (auto& t : host.tensors())
            if (t.name.ends_with(tensors)) t.values[0] += 0.5f;
        for (auto& t : device.tensors())
            if (t.name.ends_with(tensors)) t.values[0] += 0.5f;
        CHECK(relative_error(cuda_model_test::all_of(device.predict(x)), cuda_model_test::all_of(host.predict(x))) < 1e-5);
    }
    host.initialize(seed{8});
    device.initialize(seed{8});
    CHECK(relative_error(cuda_model_test::all_of(device.predict(x)), cuda_model_test::all_of(host.predict(x))) < 1e-5);
}

TEST_CASE("a model that was used sends its parameters to the device once, and allocates nothing there") {
    cuda_model_test::short_model m{seed{1}, batch{4}};
    const auto x = cuda_model_test::images(4);
    auto result = m.predict(x);
    m.predict_into(x, result);
    const std::vector<float> first = cuda_model_test::all_of(result);
    host_machine& machine = m.on_device().machine();
    const std::size_t allocations = machine.allocations(), bodies = machine.bodies(), graphs = machine.graphs();
    m.predict_into(x, result);
    CHECK(cuda_model_test::all_of(result) == first);
    CHECK(machine.allocations() == allocations);
    CHECK(machine.bodies() == bodies); // of what was captured, and no copies of parameters
    CHECK(machine.graphs() == graphs);
    CHECK(machine.late_kernels().empty());
}

TEST_CASE("what changed on the device is in the host's arrays when they are asked for") {
    cuda_model_test::short_model m{seed{1}};
    const std::vector<float> before = copy(m.parameters());
    auto& device = m.on_device();
    const cuda::parameter_layout& layout = device.store().layout();
    for (const cuda::stored_tensor& t : layout.tensors()) {
        if (t.what == cuda::stored_tensor::kind::statistic) continue;
        float* const w = device.store().master(t);
        const auto size = static_cast<unsigned>(t.size());
        device.machine().launch(cuda::kernel::copy<float, float, 1>{{1, 1, 1, size}, {w, size}, {w, size}, true}); // twice as much
    }
    device.changed(nullptr);
    const std::vector<float> after = copy(std::as_const(m).parameters());
    REQUIRE(after.size() == before.size());
    for (std::size_t i = 0; i < after.size(); ++i) CHECK(after[i] == 2 * before[i]);
    m.parameters()[0] = 7; // and the host's go on from there
    CHECK(m.on_device().machine().late_kernels().size() == 1);
    CHECK(m.parameters()[0] == 7);
    CHECK(m.parameters()[1] == 2 * before[1]);
}

TEST_CASE("a clone predicts the same and is independent; a model takes another's weights; a head alone predicts what it did among others") {
    cuda_model_test::device_model m{seed{1}, batch{2}};
    cuda_model_test::disturb(m);
    const auto x = cuda_model_test::images(3);
    const auto expected = m.predict(x);
    cuda_model_test::device_model copy_of_it = m.clone();
    CHECK(cuda_model_test::all_of(copy_of_it.predict(x)) == cuda_model_test::all_of(expected));
    cuda_model_test::disturb(copy_of_it, 3);
    CHECK(cuda_model_test::all_of(m.predict(x)) == cuda_model_test::all_of(expected));
    copy_of_it.assign(m);
    CHECK(cuda_model_test::all_of(copy_of_it.predict(x)) == cuda_model_test::all_of(expected));

    m.predict_only(1);
    const auto one = m.predict(x);
    CHECK(one.get<"lungs">() == expected.get<"lungs">());
    CHECK(one.outputs[0].size() == 0);
    CHECK(cuda_model_test::all_of(m.clone().predict(x)).size() == one.get<"lungs">().size());
}

TEST_CASE("with statistics of its own each task predicts by them") {
    cuda_model_test::host_model host{seed{1}, batch{2}};
    cuda_model_test::device_model device{seed{1}, batch{2}};
    const auto x = cuda_model_test::images(5);
    cuda_model_test::disturb(host);
    cuda_model_test::disturb(device);
    const std::vector<float> common = cuda_model_test::all_of(device.predict(x));
    host.part_statistics();
    device.part_statistics();
    CHECK(relative_error(cuda_model_test::all_of(device.predict(x)), common) < 1e-5);
    for (const int times : {1, 2, 3}) { // as it comes, captured, replayed
        cuda_model_test::disturb(host, static_cast<std::uint64_t>(times));
        cuda_model_test::disturb(device, static_cast<std::uint64_t>(times));
        CHECK(relative_error(cuda_model_test::all_of(device.predict(x)), cuda_model_test::all_of(host.predict(x))) < 1e-5);
    }
}

TEST_CASE("a model's file is the same from a device as from the host") {
    const temporary_folder folder;
    cuda_model_test::host_model host{seed{1}};
    cuda_model_test::device_model device{seed{2}}, other{seed{3}};
    cuda_model_test::disturb(host);
    io::save(host, folder.path() / "host.safetensors");
    io::load(device, folder.path() / "host.safetensors");
    const auto x = cuda_model_test::images(1);
    CHECK(relative_error(cuda_model_test::all_of(device.predict(x)), cuda_model_test::all_of(host.predict(x))) < 1e-5);
    io::save(device, folder.path() / "device.safetensors");
    io::load(other, folder.path() / "device.safetensors");
    CHECK(same_bits(other.parameters(), host.parameters()));
    CHECK(same_bits(other.statistics(), host.statistics()));
}

TEST_CASE("a model says what computes it, and without a device why it cannot be") {
    const cuda_model_test::short_model m{seed{1}};
    CHECK(describe(m).ends_with("computed by cuda<bf16>, the host in a device's place; 1 thread\n"));
    if (cuda::available()) return;
    CHECK(message_of<device_error>([] { model<tiny, on_cuda<>> none{seed{1}}; }) == cuda::available().reason);
    CHECK(message_of<device_error>([] { model<tiny, on_cuda<cuda::precision::fp32>> none{seed{1}}; }) == cuda::available().reason);
}
