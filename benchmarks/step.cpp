// SPDX-License-Identifier: MIT
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <iostream>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "fma_peak.hpp"
#include "thread_distance.hpp"
#include "workload.hpp"

namespace {

using namespace benchmarks;
using nlohmann::ordered_json;

constexpr const char* introduction =
    "Times a training step (forward, losses, backward, AdamW) or a prediction of the reference network: a U-Net encoder\n"
    "of five levels (32 to 512 channels), decoders for denoising and lungs, a classifier for the finding.";

constexpr const char* examples =
    "\nExamples:\n"
    "  benchmark_step                                      training step, batch 8, two threads\n"
    "  benchmark_step --what predict --batch 1 --runs 21   prediction of one image\n"
    "  benchmark_step --heads lungs                        the network of one task; the sum over three against --heads all\n"
    "  UMSREP_CPU=avx2 benchmark_step                      without AVX-512\n"
    "\n\"Direct GFLOP/s\" counts two operations for each multiply-add that direct convolutions would take, whatever\n"
    "the kernels really do; it stands beside the multiply-adds that this machine can do, measured in the same process.";

struct program_options : step_options {
    int runs = 7, warm_up = 1;
    bool json = false, serve = false;
};

const backend_entry& find_backend(const std::string& name) {
    return *std::ranges::find_if(backends, [&](const backend_entry& b) { return b.name == name; });
}

program_options parse(CLI::App& app, int argc, char** argv) {
    program_options o;
    o.backend = backends[0].name;
    std::vector<std::string> names;
    for (const backend_entry& b : backends) names.emplace_back(b.name);
    const CLI::Validator image_size{[](std::string& text) {
        const int size = std::atoi(text.c_str());
        return size >= 32 && size <= 4096 && size % 16 == 0 ? std::string{} : "expected a multiple of 16 from 32 to 4096, got " + text;
    }, "SIZE"};
    app.footer(examples);
    app.add_option("--what", o.what, "train or predict")->check(CLI::IsMember({"train", "predict"}))->capture_default_str();
    app.add_option("--heads", o.heads, "all, or the network of one head")->check(CLI::IsMember({"all", "denoise", "lungs", "finding"}))
        ->capture_default_str();
    app.add_option("--backend", o.backend, "Who computes")->check(CLI::IsMember(names))->capture_default_str();
    app.add_option("--threads", o.threads, "Threads that compute")->check(CLI::Range(1, 1024))->capture_default_str();
    app.add_option("--batch", o.batch, "Images per run")->check(CLI::Range(1, 4096))->capture_default_str();
    app.add_option("--size", o.size, "Height and width of an image")->check(image_size)->capture_default_str();
    app.add_option("--runs", o.runs, "Runs that are timed")->check(CLI::Range(1, 1000000))->capture_default_str();
    app.add_option("--warm-up", o.warm_up, "Runs before them that are not")->check(CLI::Range(0, 1000000))->capture_default_str();
    auto* json = app.add_flag("--json", o.json, "Print one JSON object instead of text");
    app.add_flag("--serve", o.serve, "For compare_pytorch.py: answer each line of standard input, a number of runs, with their times")
        ->excludes(json)->excludes("--runs");
    app.parse(argc, argv);
    return o;
}

double timed_run(workload& w) {
    const auto start = std::chrono::steady_clock::now();
    w.run();
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> v) {
    std::ranges::sort(v);
    return std::midpoint(v[(v.size() - 1) / 2], v[v.size() / 2]);
}

std::int64_t peak_resident_bytes() {
    rusage use{};
    getrusage(RUSAGE_SELF, &use);
#ifdef __APPLE__
    return use.ru_maxrss;
#else
    return std::int64_t{use.ru_maxrss} * 1024;
#endif
}

/// Null where no two threads run at a time.
ordered_json threads_apart(const program_options& o) {
    if (o.threads == 1 || std::thread::hardware_concurrency() < 2) return nullptr;
    return measure_thread_distance();
}

/// `runs` are not empty. The peak of memory is read before the multiply-adds are measured.
ordered_json report(const program_options& o, const workload& w, const std::vector<double>& runs) {
    const std::int64_t resident = peak_resident_bytes();
    const fma_peak peak = measure_fma_peak(o.threads);
    const double middle = median(runs), best = std::ranges::min(runs), gflop = 2e-9 * static_cast<double>(w.macs);
    return {{"what", o.what},
            {"heads", o.heads},
            {"backend", o.backend},
            {"threads", o.threads},
            {"batch", o.batch},
            {"size", o.size},
            {"parameters", w.parameters},
            {"runs_ms", runs},
            {"median_ms", middle},
            {"best_ms", best},
            {"planned_bytes", w.planned_bytes},
            {"peak_resident_bytes", resident},
            {"macs", w.macs},
            {"direct_gflops", gflop / (1e-3 * middle)},
            {"fma_peak",
             {{"instructions", peak.instructions}, {"one_thread_gflops", peak.one_thread}, {"all_threads_gflops", peak.all_threads}}},
            {"direct_over_peak", gflop / (1e-3 * middle) / peak.all_threads},
            {"threads_apart_ns", threads_apart(o)}};
}

void print(const ordered_json& r) {
    const auto number = [](const ordered_json& v) { return v.get<double>(); };
    const auto word = [](const ordered_json& v) { return v.get<std::string>(); };
    std::printf("%s, heads %s, backend %s, %d thread%s, batch %d, %d x %d, %.2f M parameters\n",
                r["what"] == "train" ? "training step" : "prediction", word(r["heads"]).c_str(), word(r["backend"]).c_str(), r["threads"].get<int>(),
                r["threads"] == 1 ? "" : "s", r["batch"].get<int>(), r["size"].get<int>(), r["size"].get<int>(), 1e-6 * number(r["parameters"]));
    std::printf("runs, ms      ");
    for (const auto& ms : r["runs_ms"]) std::printf(" %.2f", number(ms));
    std::printf("\nmedian, best   %.2f ms, %.2f ms\n", number(r["median_ms"]), number(r["best_ms"]));
    std::printf("memory         %.1f MB planned, %.1f MB resident at most\n", 1e-6 * number(r["planned_bytes"]), 1e-6 * number(r["peak_resident_bytes"]));
    const ordered_json& peak = r["fma_peak"];
    std::printf("work           %.2f G multiply-adds, %.1f direct GFLOP/s\n", 1e-9 * number(r["macs"]), number(r["direct_gflops"]));
    std::printf("machine        %.1f GFLOP/s of %s multiply-adds on 1 thread, %.1f on %d; ratio %.3f\n", number(peak["one_thread_gflops"]),
                word(peak["instructions"]).c_str(), number(peak["all_threads_gflops"]), r["threads"].get<int>(), number(r["direct_over_peak"]));
    if (!r["threads_apart_ns"].is_null()) std::printf("threads        %.0f ns apart after the runs\n", number(r["threads_apart_ns"]));
}

/// A line for each request, so that runs of several programs can take turns.
void serve(const program_options& o, workload& w) {
    std::cout << ordered_json{{"ready", true}, {"parameters", w.parameters}} << std::endl;
    std::vector<double> all;
    for (int runs = 0; std::cin >> runs;) {
        std::vector<double> times;
        for (int i = 0; i < runs; ++i) times.push_back(timed_run(w));
        all.insert(all.end(), times.begin(), times.end());
        std::cout << ordered_json{{"runs_ms", times}, {"threads_apart_ns", threads_apart(o)}} << std::endl;
    }
    if (!all.empty()) std::cout << report(o, w, all) << std::endl;
}

} // namespace

int main(int argc, char** argv) try {
    CLI::App app{introduction, "benchmark_step"};
    program_options o;
    try {
        o = parse(app, argc, argv);
    } catch (const CLI::CallForHelp&) {
        std::cout << app.help();
        return 0;
    } catch (const CLI::ParseError& error) {
        std::string message = error.what();
        std::ranges::replace(message, '\n', ' ');
        std::cerr << "benchmark_step: " << message << " (see --help)\n";
        return 2;
    }
    const auto work = find_backend(o.backend).make(o);
    for (int i = 0; i < o.warm_up; ++i) work->run();
    if (o.serve) {
        serve(o, *work);
        return 0;
    }
    std::vector<double> runs;
    for (int i = 0; i < o.runs; ++i) runs.push_back(timed_run(*work));
    const ordered_json r = report(o, *work, runs);
    if (o.json) std::cout << r.dump(2) << '\n';
    else print(r);
} catch (const std::exception& error) {
    std::cerr << "benchmark_step: " << error.what() << '\n';
    return 1;
}
