// SPDX-License-Identifier: MIT
// Every graph that the backend gives cuDNN for these networks has an engine, and a deterministic one, on every architecture: asked of
// cuDNN's own heuristics, by descriptions of the devices. Nothing is computed. Engines that cuDNN compiles when a plan is made are found
// only if a driver can be loaded, so where there is none the toolkit's stub is loaded here, and only here.
//
// The environment variable UMSREP_CUDA_SUPPORT=all offers every graph, which takes minutes; so docs/design/cuda-support.md was made.
// Otherwise it is those of the small networks in fp32 and bf16.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include <doctest/doctest.h>

#include <umsrep/backend/cuda/driver.hpp>
#include <umsrep/backend/cuda/graph_plan.hpp>
#include <umsrep/backend/cuda/work.hpp>

#include "networks.hpp"
#include "stub.hpp"

using namespace umsrep;

namespace {

struct described_device {
    std::string name;
    cuda::device_description description;
};

std::vector<described_device> devices() {
    std::vector<described_device> all;
    for (const char* name : {"sm_80", "sm_90", "sm_100"}) {
        std::ifstream file(std::string(UMSREP_TEST_DEVICES) + "/" + name + ".json");
        const std::string json{std::istreambuf_iterator<char>(file), {}};
        all.push_back({name, cuda::device_description(std::string_view(json))});
    }
    return all;
}

constexpr cuda::precision precisions[] = {cuda::precision::fp32, cuda::precision::tf32, cuda::precision::bf16, cuda::precision::fp16};
constexpr int batches[] = {1, 32};

/// What all graphs of one name and precision have in common.
struct row {
    int graphs = 0, compiled = 0, tensor_cores = 0;
    std::int64_t workspace = 0;
    std::map<std::string, int> without; ///< per device: graphs that have no engine
};

struct table {
    std::map<std::pair<std::string, cuda::precision>, row> graphs;
    std::map<std::string, std::set<std::string>> kernels; ///< of our own: networks that have them
};

/// The distinct graphs of all networks in all modes, forward and backward.
std::map<std::string, std::pair<cuda::operation_graph, cuda::precision>> graphs_of(const std::vector<support::network_case>& networks,
                                                                                   table& t) {
    std::map<std::string, std::pair<cuda::operation_graph, cuda::precision>> distinct;
    for (const support::network_case& c : networks) {
        REQUIRE_MESSAGE(c.graph.ok(), c.name, ": ", to_string(c.graph.error));
        for (const mode& m : c.modes) {
            const execution_plan plan = make_unplaced_plan(c.graph, m, cuda::device_storage);
            for (const int batch : batches)
                for (const cuda::precision p : precisions) {
                    if (!support::everything() && !(c.small && (p == cuda::precision::fp32 || p == cuda::precision::bf16))) continue;
                    for (const cuda::work& w : cuda::list_work(c.graph, plan, batch, p)) {
                        if (w.ours()) t.kernels[std::string(w.name()) + (w.what == phase::backward ? " (backward)" : "")].insert(c.name);
                        else distinct.emplace(cuda::key_of(w.graph) + std::string(name(p)), std::pair(w.graph, p));
                    }
                }
        }
    }
    return distinct;
}

std::string markdown(const table& t) {
    std::ostringstream out;
    out << "# CUDA: what cuDNN supports\n\n"
           "Written by `UMSREP_CUDA_SUPPORT=all test_cuda_support`, with cuDNN "
        << cuda::cudnn_version_text(cuda::cudnn().version())
        << " and no device: "
           "every graph that the backend gives cuDNN\nfor the networks in `tests/cuda/support/networks.cpp`, trained, trained with frozen "
           "norms, and inferred, "
           "for batches of 1 and 32.\n\n"
           "*Shapes*: different graphs of that name. Under each architecture: those that have a deterministic engine (of fp32, one without "
           "tensor\n"
           "cores). *Tensor cores*, *compiled*: of the engines that cuDNN would take first on sm_90, how many use them, and how many it "
           "compiles when\n"
           "the plan is made. *Scratch*: the most memory that one of them needs, MiB.\n\n"
           "| graph | precision | shapes | sm_80 | sm_90 | sm_100 | tensor cores | compiled | scratch "
           "|\n|---|---|--:|--:|--:|--:|--:|--:|--:|\n";
    for (const auto& [what, r] : t.graphs) {
        out << "| " << what.first << " | " << name(what.second) << " | " << r.graphs;
        for (const char* device : {"sm_80", "sm_90", "sm_100"}) {
            const auto without = r.without.find(device);
            out << " | " << r.graphs - (without == r.without.end() ? 0 : without->second);
        }
        out << " | " << r.tensor_cores << " | " << r.compiled << " | " << std::fixed << std::setprecision(1)
            << double(r.workspace) / (1 << 20) << " |\n";
    }
    out << "\n| kernel of our own | networks |\n|---|---|\n";
    for (const auto& [kernel, networks] : t.kernels) {
        out << "| " << kernel << " | ";
        const char* separator = "";
        for (const std::string& n : networks) out << std::exchange(separator, ", ") << n;
        out << " |\n";
    }
    return out.str();
}

} // namespace

TEST_CASE("every graph that the backend emits has a deterministic engine on every architecture") {
    support::load_driver_or_stub();
    const std::vector<described_device> all = devices();
    table t;
    const auto distinct = graphs_of(support::networks(), t);
    std::ofstream csv("cuda_support.csv");
    csv << "graph,precision,device,engine,workspace,tensor cores,compiled\n";
    int failures = 0;
    for (const auto& entry : distinct) {
        const auto& [g, p] = entry.second;
        const cuda::built_graph built(g);
        row& r = t.graphs[{g.name, p}];
        ++r.graphs;
        for (const described_device& d : all) {
            csv << '"' << built.name() << "\"," << name(p) << ',' << d.name << ',';
            try {
                const cuda::engine e = std::move(cuda::find_engines(built, d.description, cuda::demands_of(p, true), 1).front());
                const bool compiled = e.has(CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION),
                           cores = built.multiplies() && e.has(CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
                csv << e.number << ',' << e.workspace << ',' << cores << ',' << compiled << '\n';
                if (d.name == "sm_90") r.compiled += compiled, r.tensor_cores += cores;
                r.workspace = std::max(r.workspace, e.workspace);
            } catch (const cuda::cuda_error& e) {
                csv << "none,,,\n";
                ++r.without[d.name];
                ++failures;
                FAIL_CHECK(d.name << ": " << std::string(e.what()).substr(0, 600));
            }
        }
    }
    std::ofstream("cuda_support.md") << markdown(t);
    std::cout << markdown(t) << distinct.size() << " distinct graphs\n";
    CHECK(failures == 0);
    CHECK(distinct.size() > 300); // or the networks were not read
}
