// SPDX-License-Identifier: MIT
// The machine that stands in a device's place in tests, and what a machine of this computer says where there is no device.
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <umsrep/backend/cuda/elementwise.hpp>
#include <umsrep/backend/cuda/kernel/copy.cuh>
#include <umsrep/backend/cuda/normalization.hpp>

#include <tests/cuda/host_machine.hpp>
#include <tests/support/message_of.hpp>

using namespace umsrep;
using test::host_machine;
using test::message_of;

namespace machine_test {

namespace kernel = cuda::kernel;

constexpr std::size_t size = 16;
constexpr kernel::extents extents{1, 1, 1, size};

float* floats(const host_machine::memory& m) { return static_cast<float*>(m.address()); }

/// to += from.
kernel::copy<float, float, 1> add(const host_machine::memory& from, const host_machine::memory& to) {
    return {extents, {floats(from), size}, {floats(to), size}, true};
}

} // namespace machine_test

TEST_CASE("a machine of this computer says why there is none where there is no device") {
    if (cuda::available()) return;
    CHECK(message_of<device_error>([] { cuda::machine m; }) == cuda::available().reason);
}

TEST_CASE("fresh memory holds no number, and nothing is done before it is waited for") {
    host_machine m;
    const host_machine::memory device = m.allocate(machine_test::size * 4);
    std::vector<float> host(machine_test::size, 0.0f);
    m.download(host.data(), device.address(), device.bytes());
    CHECK(host[0] == 0.0f);
    m.synchronize();
    for (const float v : host) CHECK(std::isnan(v));

    host.assign(machine_test::size, 1.0f);
    m.upload(device.address(), host.data(), device.bytes());
    host.assign(machine_test::size, 2.0f); // too early
    m.synchronize();
    CHECK(machine_test::floats(device)[0] == 2.0f);
}

TEST_CASE("captured work is done when it is replayed, as often as that") {
    host_machine m;
    const host_machine::memory a = m.allocate(machine_test::size * 4), b = m.allocate(machine_test::size * 4);
    const std::vector<float> ones(machine_test::size, 1.0f);
    m.upload(a.address(), ones.data(), a.bytes());
    m.zero(b.address(), b.bytes());
    const auto work = [&] { m.launch(machine_test::add(a, b)); };
    CHECK_THROWS_AS(m.capture(work), std::logic_error); // its kernel was not rehearsed
    m.rehearse(work);
    const host_machine::recording once = m.capture(work);
    m.replay(once);
    m.replay(once);
    m.synchronize();
    CHECK(machine_test::floats(b)[3] == 2.0f);
    CHECK(m.late_kernels().empty());
    CHECK_THROWS_AS(m.capture([&] { m.synchronize(); }), std::logic_error);
    CHECK_THROWS_AS(m.capture([&] { m.allocate(4); }), std::logic_error);
}

TEST_CASE("the copies go on beside what is computed, and an event orders the two") {
    for (const cuda::queue first : {cuda::queue::copies, cuda::queue::compute}) {
        host_machine m{first};
        const host_machine::memory a = m.allocate(machine_test::size * 4), b = m.allocate(machine_test::size * 4);
        const std::vector<float> ones(machine_test::size, 1.0f), twos(machine_test::size, 2.0f);
        m.zero(b.address(), b.bytes());
        host_machine::event there = m.make_event(), read = m.make_event();
        m.upload(a.address(), ones.data(), a.bytes(), cuda::queue::copies);
        m.mark(there, cuda::queue::copies);
        m.wait(cuda::queue::compute, there);
        m.launch(machine_test::add(a, b));
        m.mark(read, cuda::queue::compute);
        m.wait(cuda::queue::copies, read);
        m.upload(a.address(), twos.data(), a.bytes(), cuda::queue::copies);
        m.wait(read);
        CHECK(machine_test::floats(b)[0] == 1.0f);
        m.synchronize();
        CHECK(machine_test::floats(a)[0] == 2.0f);
    }
}

TEST_CASE("a graph gets an address for each role, in memory of the device, and overwrites nothing that it reads") {
    host_machine m;
    const cuda::operation_graph g = cuda::forward_batch_norm(2, {8, 2, 3}, cuda::precision::fp32, {false, false, true});
    const auto ready = m.prepare(g, cuda::precision::fp32);
    const host_machine::memory x = m.allocate(2 * 8 * 6 * 4), y = m.allocate(x.bytes()), vectors = m.allocate(8 * 32 * 4),
                               workspace = m.allocate(ready->workspace());
    std::vector<float> images(2 * 8 * 6, 0.0f), parameters(8 * 32, 1.0f);
    for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(i / 8);
    m.upload(x.address(), images.data(), x.bytes());
    m.upload(vectors.address(), parameters.data(), vectors.bytes());
    float epsilon = 1e-5f, momentum = 0.1f;
    using cuda::role;
    std::vector<cuda::argument> arguments{
        {role::input, x.address()}, {role::output, y.address()}, {role::epsilon, &epsilon}, {role::momentum, &momentum}};
    std::size_t next = 0;
    for (const role r : {role::weight, role::bias, role::running_mean, role::running_variance, role::next_running_mean,
                         role::next_running_variance, role::mean, role::deviation})
        arguments.push_back({r, machine_test::floats(vectors) + 8 * next++});
    m.run(*ready, arguments, workspace.address());
    m.synchronize();
    const double deviation = 1 / std::sqrt(143.0 / 12 + 1e-5); // of 0 ... 11
    CHECK(machine_test::floats(y)[8 * 11] == doctest::Approx(5.5 * deviation + 1));
    CHECK(machine_test::floats(vectors)[8 * 6] == doctest::Approx(5.5));
    CHECK(machine_test::floats(vectors)[8 * 5] == doctest::Approx(0.9 + 0.1 * 13));

    const auto run_with = [&](std::size_t i, void* address) {
        auto other = arguments;
        other[i].address = address;
        return message_of<std::logic_error>([&] { m.run(*ready, other, workspace.address()); });
    };
    CHECK(run_with(0, nullptr) == "batch_norm + relu: no address for input");
    CHECK(run_with(1, x.address()) == "batch_norm + relu: writes output over input");
    CHECK(run_with(0, machine_test::floats(x) + 4) == "batch_norm + relu: input: 384 bytes that are not the device's");
    CHECK(run_with(1, images.data()) == "batch_norm + relu: output: 384 bytes that are not the device's");
}
