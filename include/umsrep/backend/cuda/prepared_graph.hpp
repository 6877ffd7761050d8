// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <umsrep/backend/cuda/file_cache.hpp>
#include <umsrep/backend/cuda/graph_plan.hpp>

namespace umsrep::cuda {

/// A graph with the plan that runs it. Plans are kept on disk as JSON: a plan that was kept needs no heuristics, and what cuDNN compiles for
/// a plan while the program runs is in it.
class prepared_graph {
public:
    /// By the plan that was kept for this graph, device and these demands, under cuDNN of this version; else by the engine that cuDNN's
    /// heuristics put first among those that do as demanded and of which there is a plan. Throws cuda_error.
    prepared_graph(const operation_graph& g, const device_description& device, const engine_demands& demands,
                   const file_cache& plans = {file_cache::default_folder(), "plan-"})
        : graph_{g} {
        const std::string key = "umsrep plan 1\ncuDNN " + std::to_string(cudnn().version()) +
                                (demands.deterministic ? " deterministic" : "") + (demands.strict ? " strict" : "") + "\n" + device.json() +
                                "\n" + key_of(g);
        if (const auto kept = plans.find(key)) {
            try {
                plan_.emplace(graph_, std::string_view(*kept), device);
                kept_ = true;
                return;
            } catch (const cuda_error&) { // it cannot be used here, so another takes its place
            }
        }
        choose(device, demands);
        try {
            plans.keep(key, plan_->json()); // where it cannot be kept, it is made again next time
        } catch (const cuda_error&) {       // not every engine's plan has JSON
        }
    }

    std::size_t workspace() const { return static_cast<std::size_t>(plan_->workspace()); }
    const graph_plan& plan() const { return *plan_; }
    bool was_kept() const { return kept_; }

private:
    void choose(const device_description& device, const engine_demands& demands) {
        constexpr std::size_t one = 1, many = 32; // the first mostly does, and is found faster
        for (const std::size_t limit : {one, many}) {
            engines_ = find_engines(graph_, device, demands, limit);
            for (std::size_t i = 0; i < engines_.size(); ++i) {
                try {
                    plan_.emplace(graph_, engines_[i], device);
                    return;
                } catch (const cuda_error&) {
                    if (limit == many && i + 1 == engines_.size()) throw; // an engine that was offered need not have a plan
                }
            }
        }
    }

    built_graph graph_; ///< the plan refers to these
    std::vector<engine> engines_;
    std::optional<graph_plan> plan_;
    bool kept_ = false;
};

} // namespace umsrep::cuda
