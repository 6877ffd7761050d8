// SPDX-License-Identifier: MIT
// Where the time of a training step or prediction of the reference network goes: every step of its plan, timed in place.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <iostream>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <umsrep/backend/cpu/cpu.hpp>
#include <umsrep/umsrep.hpp>

#include "fma_peak.hpp"
#include "observed.hpp"
#include "workload_of.hpp"

namespace {

using namespace umsrep;

using timed_backend = benchmarks::observed<cpu<>>;

struct plan_step {
    bool backward = false;
    std::string name;
    shape in, out;
    double gflop = 0;
    double best = 0; ///< seconds
};

/// The best time of each step, in the order of the plan.
class layer_observer final : public benchmarks::step_observer<float> {
public:
    explicit layer_observer(const graph& g) : graph_{&g} {}
    std::vector<plan_step> steps;
    double of_run = 0; ///< seconds in all steps since it was set to 0

    void saw(std::span<const operands<float>> chain, bool backward, double seconds) override {
        const auto [at, is_new] = index_.try_emplace({backward, chain.front().n}, steps.size());
        if (is_new) steps.push_back(describe(chain, backward, seconds));
        steps[at->second].best = std::min(steps[at->second].best, seconds);
        of_run += seconds;
    }

private:
    plan_step describe(std::span<const operands<float>> chain, bool backward, double seconds) const {
        const node& first = *chain.front().n;
        plan_step s{backward, graph_->path(first) + " ", first.in, chain.back().n->out, 0, seconds};
        for (const operands<float>& o : chain) {
            s.name += (&o == chain.data() ? "" : "+") + std::string(umsrep::name(o.n->kind));
            const int gradients = (o.grad_weight ? 1 : 0) + (o.grad_in[0].n > 0 ? 1 : 0);
            s.gflop += 2e-9 * static_cast<double>(macs(*o.n)) * (backward ? gradients : 1) * o.out.n;
        }
        return s;
    }

    const graph* graph_;
    std::map<std::pair<bool, const node*>, std::size_t> index_;
};

struct layer_options : benchmarks::step_options {
    int runs = 5;
};

void parse(CLI::App& app, layer_options& o, int argc, char** argv) {
    app.add_option("--what", o.what, "train or predict")->check(CLI::IsMember({"train", "predict"}))->capture_default_str();
    app.add_option("--threads", o.threads, "Threads that compute")->check(CLI::Range(1, 1024))->capture_default_str();
    app.add_option("--batch", o.batch, "Images per run")->check(CLI::Range(1, 4096))->capture_default_str();
    app.add_option("--size", o.size, "Height and width of an image, a multiple of 16")->check(CLI::Range(32, 4096))->capture_default_str();
    app.add_option("--runs", o.runs, "Runs; the best time of each step counts")->check(CLI::Range(1, 1000000))->capture_default_str();
    app.parse(argc, argv);
}

template <class Work>
void measure(const layer_options& o) {
    Work work(o);
    work.run();
    layer_observer watch(work.network());
    timed_backend::observer = &watch;
    double whole = 0, rest = 0;
    for (int i = 0; i < o.runs; ++i) {
        watch.of_run = 0;
        const auto start = std::chrono::steady_clock::now();
        work.run();
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        whole = i == 0 ? seconds : std::min(whole, seconds);
        rest = i == 0 ? seconds - watch.of_run : std::min(rest, seconds - watch.of_run);
    }
    timed_backend::observer = nullptr;
    const benchmarks::fma_peak peak = benchmarks::measure_fma_peak(o.threads);

    double inside[2]{}, gflop[2]{};
    std::printf("%-9s %-52s %-13s %-13s %8s %6s %9s %6s\n", "", "step", "in", "out", "ms", "% time", "GFLOP/s", "% peak");
    const auto text = [](shape s) { return std::to_string(s.c) + "x" + std::to_string(s.h) + "x" + std::to_string(s.w); };
    const auto line = [&](const char* phase, const std::string& name, const std::string& in, const std::string& out, double seconds, double work_done) {
        std::printf("%-9s %-52s %-13s %-13s %8.2f %6.1f", phase, name.c_str(), in.c_str(), out.c_str(), 1e3 * seconds, 100 * seconds / whole);
        if (work_done > 0) std::printf(" %9.1f %6.1f", work_done / seconds, 100 * work_done / seconds / peak.all_threads);
        std::printf("\n");
    };
    for (const plan_step& s : watch.steps) {
        line(s.backward ? "backward" : "forward", s.name, text(s.in), text(s.out), s.best, s.gflop);
        inside[s.backward] += s.best;
        gflop[s.backward] += s.gflop;
    }
    line("forward", "in all", "", "", inside[0], gflop[0]);
    if (inside[1] > 0) line("backward", "in all", "", "", inside[1], gflop[1]);
    line("", o.what == "train" ? "the rest: borders, losses, AdamW" : "the rest: borders", "", "", rest, 0);
    line("", "no run has the best of each step", "", "", whole - inside[0] - inside[1] - rest, 0);
    line("", "best run of " + std::to_string(o.runs), "", "", whole, gflop[0] + gflop[1]);
    std::printf("backend %s, %d threads, batch %d; peak of %s multiply-adds %.1f GFLOP/s\n", timed_backend::name(), o.threads, o.batch,
                peak.instructions, peak.all_threads);
}

} // namespace

int main(int argc, char** argv) try {
    CLI::App app{"Times every step of the reference network's plan.", "benchmark_layers"};
    layer_options o;
    try {
        parse(app, o, argc, argv);
    } catch (const CLI::CallForHelp&) {
        std::cout << app.help();
        return 0;
    } catch (const CLI::ParseError& error) {
        std::cerr << "benchmark_layers: " << error.what() << " (see --help)\n";
        return 2;
    }
    if (o.what == "train") measure<benchmarks::training_step<timed_backend>>(o);
    else measure<benchmarks::prediction_run<timed_backend>>(o);
} catch (const std::exception& error) {
    std::cerr << "benchmark_layers: " << error.what() << '\n';
    return 1;
}
