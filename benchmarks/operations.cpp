// SPDX-License-Identifier: MIT
// Single operations as a network runs them: each is a stage of a small graph, behind a batch-norm and ReLU (which a backend may have left to
// the operation to apply) and before a global average. Only the steps of that stage are timed, in one phase. Options: google-benchmark's;
// names are BACKEND/OPERATION/SHAPE/PHASE/batch/threads, so --benchmark_filter='cpu/conv3x3/.*/forward/8/2' chooses.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <tests/support/graph_writer.hpp>
#include <umsrep/backend/cpu/cpu.hpp>
#include <umsrep/backend/executor.hpp>
#include <umsrep/backend/reference/reference.hpp>

#include "fma_peak.hpp"
#include "observed.hpp"

namespace {

using namespace umsrep;
using benchmarks::wanted;

constexpr int tested_stage = 1;

/// What a benchmark times.
struct measured_phase {
    const char* name;
    bool backward;
    wanted what;
};
constexpr measured_phase forward{"forward", false, wanted::everything};
constexpr measured_phase to_input{"to_input", true, wanted::input_gradient};
constexpr measured_phase to_weight{"to_weight", true, wanted::parameter_gradient};
constexpr measured_phase backward{"backward", true, wanted::everything};

struct operation {
    std::string name;
    shape in;
    std::function<int(test::graph_writer&, int x)> write; ///< behind node x; the last node
    std::vector<measured_phase> phases;
};

graph graph_of(const operation& o) {
    test::graph_writer w(o.in);
    w.stage("before");
    const int before = w.relu(w.batch_norm(0));
    w.stage("tested");
    const int tested = o.write(w, before);
    w.head("mean", tested);
    w.put(test::global_node(w.shape_of(tested)), tested);
    return w.finish();
}

/// Adds up the steps of the tested stage in one phase.
template <class T>
class stage_observer final : public benchmarks::step_observer<T> {
public:
    explicit stage_observer(const measured_phase& p) : phase_{p} {}
    double seconds = 0;

    void saw(std::span<const operands<T>> chain, bool is_backward, double time) override {
        if (is_backward == phase_.backward && tested(chain)) seconds += time;
    }
    wanted wants(std::span<const operands<T>> chain) override { return tested(chain) ? phase_.what : wanted::everything; }

private:
    static bool tested(std::span<const operands<T>> chain) {
        return std::ranges::any_of(chain, [](const operands<T>& o) { return o.n->owner == tested_stage; });
    }
    measured_phase phase_;
};

/// Multiply-adds of the tested stage in a phase: each gradient of a convolution costs as many as its forward.
std::int64_t macs_of(const graph& g, const measured_phase& p) {
    std::int64_t total = 0;
    for (const node& n : g.nodes)
        if (n.owner == tested_stage) total += macs(n);
    return total * (p.backward && p.what == wanted::everything ? 2 : 1);
}

template <class Backend>
void run(benchmark::State& state, const operation& o, const measured_phase& p, int batch_size, int thread_count, double peak) {
    using observed = benchmarks::observed<Backend>;
    const graph g = graph_of(o);
    thread_pool pool{thread_count};
    executor<observed> e(g, {.training = true}, batch_size, pool);
    random_stream random(seed{1}, "operations");
    const auto normal = [&](std::ptrdiff_t n, float scale) {
        std::vector<float> v(static_cast<std::size_t>(n));
        for (float& x : v) x = scale * static_cast<float>(random.normal());
        return v;
    };
    const std::vector<float> images = normal(batch_size * o.in.size(), 1);
    const std::vector<float> parameters = normal(g.parameters, 0.05f);
    std::vector<float> statistics(static_cast<std::size_t>(g.statistics), 1.0f), gradients(parameters.size());
    stage_observer<float> watch(p);
    observed::observer = &watch;
    const auto step = [&] {
        watch.seconds = 0;
        e.run(batch_size, {parameters.data(), statistics.data(), gradients.data(), 0}, seed{1}, 0,
              [](int, tensor_view<float>, tensor_view<float> gradient) { std::fill(gradient.begin(), gradient.end(), 1.0f); });
        return watch.seconds;
    };
    e.set_input(batch_size, images.data());
    step();
    double total = 0;
    for (auto _ : state) {
        e.set_input(batch_size, images.data()); // a plan may write over its input
        const double seconds = step();
        state.SetIterationTime(seconds);
        total += seconds;
    }
    observed::observer = nullptr;
    const double gflop = 2e-9 * static_cast<double>(macs_of(g, p) * batch_size);
    if (gflop == 0 || total == 0) return;
    const double gflops = gflop * static_cast<double>(state.iterations()) / total;
    state.counters["GFLOP/s"] = gflops;
    state.counters["%peak"] = 100 * gflops / peak;
}

std::string text(shape s) { return std::to_string(s.c) + "x" + std::to_string(s.h) + "x" + std::to_string(s.w); }

std::vector<operation> operations() {
    std::vector<operation> all;
    const auto conv = [&](std::string name, shape in, int channels, int kernel, std::vector<measured_phase> phases) {
        const attributes a{.kernel = kernel, .padding = kernel / 2};
        all.push_back({name + "/" + text(in) + ">" + std::to_string(channels), in, [=](auto& w, int x) { return w.conv(x, channels, a); }, std::move(phases)});
    };
    const std::vector<measured_phase> each{forward, to_input, to_weight};
    conv("conv3x3", {1, 256, 256}, 32, 3, {forward, to_weight});
    conv("conv3x3", {32, 256, 256}, 32, 3, each);
    conv("conv3x3", {64, 256, 256}, 32, 3, each);
    conv("conv3x3", {64, 128, 128}, 64, 3, each);
    conv("conv3x3", {128, 64, 64}, 128, 3, each);
    conv("conv3x3", {256, 32, 32}, 256, 3, each);
    conv("conv3x3", {512, 16, 16}, 512, 3, each);
    conv("conv1x1", {32, 256, 256}, 1, 1, each);
    conv("conv1x1", {128, 64, 64}, 128, 1, each);
    for (const auto& [c, size] : {std::pair{512, 16}, {256, 32}, {128, 64}, {64, 128}}) {
        const shape in{c, size, size};
        const int channels = c / 2;
        all.push_back({"conv_transpose2x2/" + text(in) + ">" + std::to_string(channels), in,
                       [=](auto& w, int x) { return w.conv_transpose(x, channels, {.kernel = 2, .stride = 2, .bias = true}); }, each});
    }
    for (const shape in : {shape{32, 256, 256}, shape{128, 64, 64}}) {
        // What batch-norm and ReLU cost is the difference to conv3x3 alone: a backend may compute the statistics as the convolution writes.
        all.push_back({"conv3x3_norm_relu/" + text(in), in,
                       [c = in.c](auto& w, int x) { return w.relu(w.batch_norm(w.conv(x, c, {.kernel = 3, .padding = 1}))); }, {forward, backward}});
        all.push_back({"max_pool2x2/" + text(in), in, [](auto& w, int x) { return w.pool(x, op::max_pool, {.kernel = 2, .stride = 2}); },
                       {forward, backward}});
    }
    return all;
}

template <class Backend>
void register_all(const std::string& backend_name, const double (&peak)[2]) {
    for (const operation& o : operations())
        for (const measured_phase& p : o.phases)
            for (const int batch_size : {1, 8})
                for (const int thread_count : {1, 2}) {
                    const std::string name = backend_name + "/" + o.name + "/" + p.name + "/" + std::to_string(batch_size) + "/" + std::to_string(thread_count);
                    benchmark::RegisterBenchmark(name.c_str(), [=, top = peak[thread_count - 1]](benchmark::State& state) {
                        run<Backend>(state, o, p, batch_size, thread_count, top);
                    })->UseManualTime()->Unit(benchmark::kMillisecond);
                }
}

} // namespace

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    const benchmarks::fma_peak peak = benchmarks::measure_fma_peak(2);
    char context[120];
    std::snprintf(context, sizeof context, "%.1f GFLOP/s on one thread, %.1f on two", peak.one_thread, peak.all_threads);
    benchmark::AddCustomContext(std::string("peak of ") + peak.instructions + " multiply-adds", context);
    const double peaks[2] = {peak.one_thread, peak.all_threads};
    register_all<cpu<>>("cpu", peaks);
    register_all<cpu<exact>>("cpu-exact", peaks);
    register_all<reference<float>>("reference", peaks);
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
}
