// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <umsrep/backend/cuda/built_graph.hpp>
#include <umsrep/backend/cuda/device_description.hpp>

namespace umsrep::cuda {

/// What may be asked of the engines beside the right result.
struct engine_demands {
    bool deterministic = false; ///< the same bits in every run
    bool strict = false;        ///< fp32 is multiplied as fp32: no tensor cores, no conversion to fewer bits
};

/// What a precision asks for.
constexpr engine_demands demands_of(precision p, bool deterministic) { return {deterministic, p == precision::fp32}; }

/// One of cuDNN's ways to compute a graph, with its settings.
struct engine {
    descriptor configuration;
    std::int64_t number = 0;    ///< cuDNN's own
    std::int64_t workspace = 0; ///< bytes
    std::vector<cudnnBackendNumericalNote_t> numerics;
    std::vector<cudnnBackendBehaviorNote_t> behaviour;

    bool has(cudnnBackendNumericalNote_t note) const { return std::find(numerics.begin(), numerics.end(), note) != numerics.end(); }
    bool has(cudnnBackendBehaviorNote_t note) const { return std::find(behaviour.begin(), behaviour.end(), note) != behaviour.end(); }

    bool compiles() const { return has(CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION); } ///< a kernel, when a plan is made

    /// `multiplies`: of the graph; without products, cuDNN's notes on how they are computed mean nothing.
    bool meets(const engine_demands& d, bool multiplies) const {
        if (d.deterministic && has(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC)) return false;
        return !d.strict || !multiplies || !(has(CUDNN_NUMERICAL_NOTE_TENSOR_CORE) || has(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS) ||
                                             has(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION));
    }
};

namespace detail {

/// Those of the first `most` proposals of a heuristic mode that do as demanded, up to `limit`, and whether these were all proposals.
/// `refusal`: what cuDNN said of the others.
inline std::pair<std::vector<engine>, bool> propose(const built_graph& g, const device_description& device,
                                                    const engine_demands& demands, cudnnBackendHeurMode_t mode, std::size_t limit,
                                                    std::int64_t most, std::string& refusal) {
    std::vector<engine> engines;
    std::vector<descriptor> proposals;
    try {
        descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
        heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, g.graph());
        heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device.get());
        heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, mode);
        heuristics.finalize("heuristics");
        proposals = heuristics.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, most);
        if (proposals.empty()) refusal = cudnn().words(CUDNN_STATUS_NOT_SUPPORTED);
    } catch (const cuda_error& e) {
        refusal = e.what();
    }
    for (descriptor& configuration : proposals) {
        if (engines.size() == limit) break;
        try {
            engine e{std::move(configuration), 0, 0, {}, {}};
            const std::vector<descriptor> of = e.configuration.get(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR, 1);
            e.number = of.at(0).get<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX).at(0);
            e.numerics = of[0].get<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE);
            e.behaviour = of[0].get<cudnnBackendBehaviorNote_t>(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE);
            if (!e.meets(demands, g.multiplies())) continue;
            e.workspace = e.configuration.get<std::int64_t>(CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE).at(0);
            engines.push_back(std::move(e));
        } catch (const cuda_error& e) {
            refusal = e.what(); // a way that this device does not have; the next may be one that it has
        }
    }
    return {std::move(engines), static_cast<std::int64_t>(proposals.size()) < most};
}

} // namespace detail

/// The engines that compute a graph on a device as demanded, the one that should be fastest first, no more than `limit`: those that cuDNN's
/// heuristic mode A proposes, behind them the fallbacks, some of which A may have proposed. Throws cuda_error with the graph's name and
/// sizes, and cuDNN's words, where there is none.
inline std::vector<engine> find_engines(const built_graph& g, const device_description& device, const engine_demands& demands,
                                        std::size_t limit) {
    constexpr std::int64_t all = 1000;
    const std::int64_t few = static_cast<std::int64_t>(limit); // the first ones mostly do, and cost a tenth of all
    std::string refusal = "none that is as demanded";
    std::vector<engine> engines;
    for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
        const std::size_t wanted = limit - engines.size();
        auto [found, complete] = detail::propose(g, device, demands, mode, wanted, few, refusal);
        if (found.size() < wanted && !complete) found = detail::propose(g, device, demands, mode, wanted, all, refusal).first;
        std::move(found.begin(), found.end(), std::back_inserter(engines));
        if (engines.size() == limit) break;
    }
    if (engines.empty()) throw cuda_error(g.name(), "an engine of cuDNN", refusal);
    return engines;
}

} // namespace umsrep::cuda
