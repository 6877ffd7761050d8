// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <memory>

#include <tests/support/graph_data.hpp>
#include <umsrep/backend/executor.hpp>

namespace umsrep::test {

struct run_options {
    int capacity = 0; ///< 0: the batch
    int threads = 1;
    int runs = 1;     ///< of the same data, the last one counts; running statistics start anew each time
    float garbage = 0; ///< what the executor's memory holds before the run
};

/// Runs a graph on a backend the way models and trainers do: through the executor of its plan.
template <class Backend>
graph_result run_graph(const graph& g, const mode& m, const graph_data& d, run_options options = {}) {
    using T = typename Backend::scalar;
    thread_pool pool{options.threads};
    const auto memory = std::make_shared<executor_memory<T>>();
    executor<Backend> e(g, m, std::max(options.capacity, d.batch), pool, memory);
    for (auto* part : {&memory->arena, &memory->workspace, &memory->workers, &memory->saved, &memory->border})
        std::fill_n(part->data(), part->size(), static_cast<T>(options.garbage));

    const std::vector<T> parameters(d.parameters.begin(), d.parameters.end());
    std::vector<T> statistics, gradients(parameters.size(), static_cast<T>(graph_result::untouched));
    graph_result r;
    for (int run = 0; run < options.runs; ++run) {
        statistics.assign(d.statistics.begin(), d.statistics.end());
        r.heads.assign(g.heads.size(), {});
        e.set_input(d.batch, d.images.data());
        e.run(d.batch, {parameters.data(), statistics.data(), m.training ? gradients.data() : nullptr, 0}, d.dropout, d.step_number,
              [&](int h, tensor_view<T> result, tensor_view<T> gradient) {
                  r.heads[static_cast<std::size_t>(h)].assign(result.begin(), result.end());
                  const std::vector<float>& from = d.head_gradients[static_cast<std::size_t>(h)];
                  if (gradient) std::copy(from.begin(), from.end(), gradient.data);
              });
    }
    r.gradients.assign(gradients.begin(), gradients.end());
    r.statistics.assign(statistics.begin(), statistics.end());
    return r;
}

} // namespace umsrep::test
