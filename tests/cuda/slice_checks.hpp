// SPDX-License-Identifier: MIT
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <tuple>
#include <vector>

#include <tests/support/bits.hpp>
#include <umsrep/backend/cuda/convolution.hpp>
#include <umsrep/backend/cuda/machine.hpp>
#include <umsrep/backend/cuda/normalization.hpp>
#include <umsrep/backend/cuda/pooling.hpp>
#include <umsrep/core/random.hpp>

/// Graphs whose images are slices of the channels of wider ones, with NaN in the other channels: they give what they give of whole images,
/// and write nothing beside them.
namespace umsrep::test::slice_checks {

using cuda::role;
using contents = std::map<role, std::vector<float>>;

/// visit(where in memory, number of the element) of every element of a tensor.
template <class Visit>
void for_each_element(const cuda::tensor& t, Visit visit) {
    std::size_t number = 0;
    for (std::int64_t n = 0; n < t.size[0]; ++n)
        for (std::int64_t c = 0; c < t.size[1]; ++c)
            for (std::int64_t y = 0; y < t.size[2]; ++y)
                for (std::int64_t x = 0; x < t.size[3]; ++x)
                    visit(static_cast<std::size_t>(n * t.stride[0] + c * t.stride[1] + y * t.stride[2] + x * t.stride[3]),
                          number++);
}

/// Runs a graph of fp32 once, on the same random numbers for the same role, results too. Every tensor lies within NaN, which must stay as it
/// is, at channel 16 of its images' where it is a slice. Returns the elements of all, N, C, H, W.
template <class Machine>
contents run(Machine& m, const cuda::operation_graph& g) {
    constexpr std::size_t first = 16; // elements in front, which is a slice's address in its first pixel
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::map<role, cuda::tensor> tensors;
    for (const cuda::operation& o : g.operations)
        cuda::for_each_tensor(o, [&](const char*, const cuda::tensor& t) {
            if (!t.inside) tensors.emplace(static_cast<role>(t.id), t);
        });
    const auto prepared = m.prepare(g, cuda::precision::fp32);
    const auto workspace = m.allocate(prepared->workspace());
    contents given, found, result;
    std::vector<typename Machine::memory> memory;
    std::vector<cuda::argument> arguments;
    for (const auto& [r, t] : tensors) {
        std::vector<float>& all = given[r];
        random_stream random(seed{3}, cuda::name(r));
        if (t.by_value) {
            all = {0.1f};
            arguments.push_back({r, all.data()});
            continue;
        }
        std::vector<float> numbers(static_cast<std::size_t>(t.size[0] * t.size[1] * t.size[2] * t.size[3]));
        for (float& v : numbers) v = random.uniform(0.5f, 1.0f); // variances among them
        all.assign(first + static_cast<std::size_t>(t.extent_in_memory()) + 64, nan);
        for_each_element(t, [&](std::size_t at, std::size_t number) { all[first + at] = numbers[number]; });
        const std::size_t bytes = all.size() * sizeof(float);
        m.upload(memory.emplace_back(m.allocate(bytes)).address(), all.data(), bytes);
        arguments.push_back({r, static_cast<float*>(memory.back().address()) + first});
    }
    m.run(*prepared, arguments, workspace.address());
    std::size_t next = 0;
    for (const auto& [r, t] : tensors) {
        if (t.by_value) continue;
        found[r].resize(given[r].size());
        m.download(found[r].data(), memory[next++].address(), found[r].size() * sizeof(float));
    }
    m.synchronize();
    for (const auto& [r, t] : tensors) {
        if (t.by_value) continue;
        std::vector<float>& numbers = result[r];
        for_each_element(t, [&](std::size_t at, std::size_t) {
            numbers.push_back(found[r][first + at]);
            found[r][first + at] = nan;
            given[r][first + at] = nan;
        });
        CHECK_MESSAGE(same_bits(found[r], given[r]), g.name << " writes beside " << cuda::name(r));
    }
    return result;
}

/// Graphs, and which of their images are slices somewhere in the backend.
struct of_slices {
    cuda::operation_graph graph;
    std::vector<role> images;
};
inline std::vector<of_slices> graphs() {
    constexpr cuda::precision p = cuda::precision::fp32;
    std::vector<of_slices> all;
    for (const auto& [kind, from, to] :
         {std::tuple(op::conv, 8, 16), std::tuple(op::conv, 16, 8), std::tuple(op::conv_transpose, 16, 8)}) {
        node n;
        n.kind = kind;
        const bool up = kind == op::conv_transpose;
        n.in = {from, 4, 6};
        n.out = {to, up ? 8 : 4, up ? 12 : 6};
        n.a = up ? attributes{.kernel = 2, .stride = 2, .bias = true} : attributes{.kernel = 3, .padding = 1, .bias = true};
        all.push_back({cuda::forward_convolution(n, 2, p, {true, false, true}), {role::input, role::output}});
        if (!up) all.push_back({cuda::forward_convolution(n, 2, p, {true, true, true}), {role::input, role::output, role::skip}});
        all.push_back({cuda::backward_convolution_input(n, 2, p), {role::grad_output, role::grad_input}});
        all.push_back({cuda::backward_convolution_weight(n, 2, p), {role::input, role::grad_output}});
    }
    all.push_back({cuda::forward_batch_norm(2, {16, 4, 6}, p, {false, false, true}), {role::output}});
    all.push_back({cuda::forward_batch_norm(2, {16, 4, 6}, p, {false, true, true}), {role::output, role::skip}});
    all.push_back({cuda::backward_batch_norm(2, {16, 4, 6}, p, true), {role::grad_output}});
    return all;
}

/// `tolerance`: of results, which another engine may round otherwise.
template <class Machine>
void check(Machine& m, double tolerance) {
    for (const of_slices& one : graphs()) {
        const contents whole = run(m, one.graph);
        cuda::operation_graph sliced = one.graph;
        for (const role r : one.images) cuda::make_slice(sliced, r, 48);
        const contents of_slice = run(m, sliced);
        REQUIRE(whole.size() == of_slice.size());
        for (const auto& [r, expected] : whole) {
            INFO(one.graph.name << ", " << cuda::name(r));
            const std::vector<float>& got = of_slice.at(r);
            REQUIRE(got.size() == expected.size());
            for (std::size_t i = 0; i < got.size(); ++i)
                REQUIRE(std::abs(static_cast<double>(got[i] - expected[i])) <=
                        tolerance * std::abs(static_cast<double>(expected[i])));
        }
    }
}

} // namespace umsrep::test::slice_checks
