// SPDX-License-Identifier: MIT
// What only a device can answer: whether cuDNN means by a graph what we mean. Without a device every test says so and is skipped.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <vector>

#include <doctest/doctest.h>

#include <tests/cuda/slice_checks.hpp>
#include <umsrep/backend/cuda/convolution.hpp>
#include <umsrep/backend/cuda/machine.hpp>
#include <umsrep/backend/cuda/normalization.hpp>
#include <umsrep/backend/cuda/pooling.hpp>
#include <umsrep/core/random.hpp>

using namespace umsrep;

namespace gpu {

using values = std::vector<float>;

/// True where there is a device; else says why not, in the words by which CTest knows a skipped test.
bool there_is_a_device() {
    const cuda::availability a = cuda::available();
    if (!a) MESSAGE("skipped: " << a.reason);
    return a.ok;
}

values random_values(std::size_t count, std::uint64_t number) {
    random_stream stream{seed{number}};
    values v(count, 0.0f);
    for (float& x : v) x = stream.uniform(-1, 1);
    return v;
}

/// Runs a graph of fp32 tensors twice by a deterministic engine, and gives what it wrote; the runs must agree to the bit.
/// `given`: by role; scalars too. `sizes`: elements of what it writes. `measured`: the plan is.
std::map<cuda::role, values> run(const cuda::operation_graph& g, std::map<cuda::role, values> given,
                                 const std::map<cuda::role, std::size_t>& sizes, bool measured = false) {
    cuda::machine m;
    const auto prepared = m.prepare(g, cuda::precision::fp32, measured);
    CHECK(m.held() == 0); // what it was tried in was given back
    const cuda::device_memory workspace = m.allocate(prepared->workspace());
    std::vector<cuda::device_memory> memory;
    std::vector<cuda::argument> arguments;
    for (auto& [r, v] : given) {
        if (r == cuda::role::epsilon || r == cuda::role::momentum) {
            arguments.push_back({r, v.data()});
            continue;
        }
        m.upload(memory.emplace_back(m.allocate(v.size() * sizeof(float))).address(), v.data(), v.size() * sizeof(float));
        arguments.push_back({r, memory.back().address()});
    }
    const std::size_t inputs = memory.size();
    for (const auto& [r, size] : sizes) arguments.push_back({r, memory.emplace_back(m.allocate(size * sizeof(float))).address()});

    std::map<cuda::role, values> first;
    for (const int time : {1, 2}) {
        m.run(*prepared, arguments, workspace.address());
        std::map<cuda::role, values> written;
        std::size_t at = inputs;
        for (const auto& [r, size] : sizes) {
            written[r].resize(size);
            m.download(written[r].data(), memory[at++].address(), size * sizeof(float));
        }
        m.synchronize();
        if (time == 1) first = written;
        else CHECK(first == written);
    }
    return first;
}

void check_near(const values& expected, const values& got, float tolerance) {
    REQUIRE(expected.size() == got.size());
    float worst = 0;
    for (std::size_t i = 0; i < got.size(); ++i) worst = std::max(worst, std::abs(expected[i] - got[i]));
    CHECK(worst <= tolerance);
}

} // namespace gpu

TEST_CASE("a convolution with bias and relu is a correlation in NHWC") {
    if (!gpu::there_is_a_device()) return;
    constexpr int n = 2, c = 5, k = 3, h = 7, w = 6, pitch_c = 8;
    node layer;
    layer.kind = op::conv;
    layer.in = {c, h, w};
    layer.out = {k, h, w};
    layer.a.kernel = 3;
    layer.a.padding = 1;
    const gpu::values x = gpu::random_values(n * h * w * pitch_c, 1), weight = gpu::random_values(k * 9 * c, 2),
                      bias = gpu::random_values(k, 3);
    gpu::values expected(n * h * w * k, 0.0f);
    for (int i = 0; i < n; ++i)
        for (int y = 0; y < h; ++y)
            for (int z = 0; z < w; ++z)
                for (int o = 0; o < k; ++o) {
                    float sum = bias[static_cast<std::size_t>(o)];
                    for (int dy = 0; dy < 3; ++dy)
                        for (int dz = 0; dz < 3; ++dz)
                            for (int q = 0; q < c; ++q) {
                                const int yy = y + dy - 1, zz = z + dz - 1;
                                if (yy < 0 || yy >= h || zz < 0 || zz >= w) continue;
                                sum += x[static_cast<std::size_t>(((i * h + yy) * w + zz) * pitch_c + q)] *
                                       weight[static_cast<std::size_t>(((o * 3 + dy) * 3 + dz) * c + q)];
                            }
                    expected[static_cast<std::size_t>(((i * h + y) * w + z) * k + o)] = std::max(sum, 0.0f);
                }
    for (const bool measured : {false, true}) {
        const auto got = gpu::run(cuda::forward_convolution(layer, n, cuda::precision::fp32, {true, false, true}),
                                  {{cuda::role::input, x}, {cuda::role::weight, weight}, {cuda::role::bias, bias}},
                                  {{cuda::role::output, expected.size()}}, measured);
        gpu::check_near(expected, got.at(cuda::role::output), 1e-5f);
    }
}

TEST_CASE("an average pool's backward spreads each gradient over its window") {
    if (!gpu::there_is_a_device()) return;
    node layer;
    layer.kind = op::avg_pool;
    layer.in = {8, 4, 4};
    layer.out = {8, 2, 2};
    layer.a.kernel = layer.a.stride = 2;
    const gpu::values dy = gpu::random_values(8 * 4, 1);
    gpu::values expected(8 * 16, 0.0f);
    for (std::size_t y = 0; y < 4; ++y)
        for (std::size_t x = 0; x < 4; ++x)
            for (std::size_t c = 0; c < 8; ++c) expected[(y * 4 + x) * 8 + c] = dy[(y / 2 * 2 + x / 2) * 8 + c] / 4;
    const auto got = gpu::run(cuda::backward_pool(layer, 1, cuda::precision::fp32), {{cuda::role::grad_output, dy}},
                              {{cuda::role::grad_input, expected.size()}});
    gpu::check_near(expected, got.at(cuda::role::grad_input), 1e-6f);
}

TEST_CASE("graphs of slices read and write none of the channels beside them, on a device, too") {
    if (!gpu::there_is_a_device()) return;
    cuda::machine m;
    test::slice_checks::check(m, 1e-5);
}

TEST_CASE("running variance moves by the unbiased variance of the batch, as in the reference backend") {
    if (!gpu::there_is_a_device()) return;
    constexpr std::size_t c = 8, pixels = 6;
    const gpu::values x = gpu::random_values(pixels * c, 1), ones(c, 1.0f), zeros(c, 0.0f);
    using cuda::role;
    const auto got = gpu::run(
        cuda::forward_batch_norm(1, {8, 2, 3}, cuda::precision::fp32, {}),
        {{role::input, x},
         {role::weight, ones},
         {role::bias, zeros},
         {role::epsilon, {1e-5f}},
         {role::momentum, {0.1f}},
         {role::running_mean, zeros},
         {role::running_variance, ones}},
        {{role::output, x.size()}, {role::mean, c}, {role::deviation, c}, {role::next_running_mean, c}, {role::next_running_variance, c}});
    gpu::values mean(c, 0.0f), variance(c, 0.0f);
    for (std::size_t i = 0; i < x.size(); ++i) mean[i % c] += 0.1f * x[i] / pixels;
    for (std::size_t i = 0; i < x.size(); ++i) variance[i % c] += (x[i] - 10 * mean[i % c]) * (x[i] - 10 * mean[i % c]) / (pixels - 1);
    for (float& v : variance) v = 0.9f + 0.1f * v;
    gpu::check_near(mean, got.at(role::next_running_mean), 1e-6f);
    gpu::check_near(variance, got.at(role::next_running_variance), 1e-6f);
}
