// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <umsrep/backend/cuda/cuda.hpp>
#include <umsrep/backend/executor.hpp>
#include <umsrep/backend/reference/reference.hpp>

/// The same network on the same values, by the reference backend and by a device.
namespace umsrep::test {

/// What a network is run on: numbers that the device's types hold as they are, so both sides begin alike.
struct run_inputs {
    std::vector<float> parameters, images, statistics;

    /// `scale`: of the weights of convolutions, so that values neither grow nor fade from layer to layer.
    run_inputs(const graph& g, int n, seed s = seed{3})
        : parameters(static_cast<std::size_t>(g.parameters)),
          images(static_cast<std::size_t>(n * g.nodes[0].out.size())),
          statistics(static_cast<std::size_t>(g.statistics)) {
        random_stream r(s, "values");
        const auto short_number = [](float v) { return cuda::kernel::to_float(cuda::kernel::number<cuda::kernel::bf16>::from(v)); };
        for (const node& x : g.nodes) {
            const float fan = x.kind == op::batch_norm || x.kind == op::group_norm || !x.weight
                                  ? 1.0f
                                  : static_cast<float>(x.weight.size) / static_cast<float>(x.out.c);
            for (std::ptrdiff_t i = 0; i < x.weight.size; ++i)
                parameters[static_cast<std::size_t>(x.weight.offset + i)] = short_number(r.normal() / std::sqrt(fan));
            for (std::ptrdiff_t i = 0; i < x.bias.size; ++i)
                parameters[static_cast<std::size_t>(x.bias.offset + i)] = short_number(0.5f * r.normal());
        }
        for (float& v : images) v = short_number(r.normal());
        for (float& v : statistics) v = 0.5f + r.uniform(); // a mean and a variance
    }
};

/// Everything that a run leaves: the heads' results one after another, the gradients, the running statistics.
struct run_traces {
    std::vector<double> results, gradients, statistics;
};

/// The gradient of element i of a result: as good as random, so that sums of neighbours do not vanish; none depends on what was computed.
inline double result_gradient(std::ptrdiff_t i) { return std::sin(static_cast<double>(i + 1) * static_cast<double>(i + 1)); }

/// `times` runs of a batch of n on an executor of capacity n + 1, its second run as the first but of another dropout step.
template <class Scalar, class Executor>
run_traces trace(Executor& e, const graph& g, const run_inputs& in, int n, int times) {
    run_traces t;
    std::vector<Scalar> parameters(in.parameters.begin(), in.parameters.end()), statistics(in.statistics.begin(), in.statistics.end()),
        gradients(static_cast<std::size_t>(g.parameters), Scalar{0});
    for (int time = 1; time <= times; ++time) {
        e.set_input(n, in.images.data());
        e.run(n, {parameters.data(), statistics.data(), gradients.data(), 0}, seed{7}, static_cast<std::uint64_t>(time),
              [&](int, tensor_view<Scalar> result, tensor_view<Scalar> gradient) {
                  t.results.insert(t.results.end(), result.begin(), result.end());
                  for (std::ptrdiff_t i = 0; i < gradient.size(); ++i) gradient.data[i] = static_cast<Scalar>(result_gradient(i));
              });
    }
    t.gradients.assign(gradients.begin(), gradients.end());
    t.statistics.assign(statistics.begin(), statistics.end());
    return t;
}

template <class Scalar>
run_traces trace_reference(const graph& g, const mode& m, const run_inputs& in, int n, int times) {
    thread_pool pool{1};
    executor<reference<Scalar>> e(g, m, n + 1, pool);
    return trace<Scalar>(e, g, in, n, times);
}

template <cuda::precision P, class Machine>
run_traces trace_device(const std::shared_ptr<Machine>& machine, const graph& g, const mode& m, const run_inputs& in, int n, int times) {
    thread_pool pool{1};
    const auto session = std::make_shared<cuda::session<Machine, P>>(g, machine);
    executor<on_cuda<P, Machine>> e(g, m, n + 1, pool, session);
    return trace<float>(e, g, in, n, times);
}

} // namespace umsrep::test
