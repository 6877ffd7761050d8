// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <umsrep/backend/cuda/fastest.hpp>
#include <umsrep/backend/cuda/file_cache.hpp>
#include <umsrep/backend/cuda/graph_plan.hpp>
#include <umsrep/backend/cuda/machine_options.hpp>

namespace umsrep::cuda {

/// The first n engines of a graph; of those that are compiled first few where a `few` will do, for each takes long.
inline std::vector<engine> candidates_of(const built_graph& g, const device_description& device, const engine_demands& demands,
                                         const machine_options& o, std::size_t n, bool few) {
    std::vector<engine> engines = find_engines(g, device, demands, n);
    std::size_t compiled = 0;
    if (o.plan == plans::measured && few)
        std::erase_if(engines, [&](const engine& e) { return e.compiles() && ++compiled > o.compiled; });
    return engines;
}

/// A graph with the plan that runs it. Plans are kept on disk as JSON: a plan that was kept needs no heuristics and no measurement, and what
/// cuDNN compiles for a plan while the program runs is in it.
class prepared_graph {
public:
    /// By the plan that was kept for this graph and device, under the same options and cuDNN of this version; else by one that is chosen as
    /// `o` says among the engines that do as demanded. `trial`: as graph_trial; every plan is tried before it is taken, if there is memory for
    /// that, without which none is measured. One that was kept and cannot be read or run is thrown away, and another chosen; not for want of
    /// memory, nor is one kept that was chosen for want of it. Throws device_error that names the graph.
    template <class Trial>
    prepared_graph(const operation_graph& g, const device_description& device, const engine_demands& demands, const machine_options& o,
                   file_cache cache, Trial&& trial)
        : graph_{g}, cache_{std::move(cache)}, key_{key_of(device, demands, o) + cuda::key_of(g)} {
        const std::string refusal = take_kept(device, trial);
        if (chosen_) return;
        try {
            choose(device, demands, o, trial);
        } catch (const device_error& e) {
            if (refusal.empty()) throw;
            throw device_error(std::string(e.what()) + "; and of the plan that was kept: " + refusal);
        }
        if (!problem_.empty()) return;
        try {
            problem_ = cache_.keep(key_, chosen_->plan.json());
        } catch (const cuda_error& e) { // not every engine's plan has JSON
            problem_ = e.what();
        }
    }

    std::size_t workspace() const { return static_cast<std::size_t>(plan().workspace()); }
    const graph_plan& plan() const { return chosen_->plan; }
    bool was_kept() const { return !chosen_->from; }
    /// Why the plan was not kept, or empty; then it is chosen again next time.
    const std::string& problem() const { return problem_; }
    /// Throws the plan out of what is kept; it stays in use.
    void forget() const { cache_.forget(key_); }

private:
    /// A plan, and the engine that it was made from, to which it refers.
    struct choice {
        std::optional<engine> from;
        graph_plan plan;
    };

    static std::string key_of(const device_description& device, const engine_demands& demands, const machine_options& o) {
        std::string how = "first";
        if (o.plan == plans::measured) how = "measured " + std::to_string(o.candidates) + ", compiled " + std::to_string(o.compiled);
        return "umsrep plan 2\ncuDNN " + std::to_string(cudnn().version()) + (demands.deterministic ? " deterministic" : "") +
               (demands.strict ? " strict" : "") + "\n" + how + ", workspace " + std::to_string(o.workspace) + "\n" + device.json() + "\n";
    }

    /// What was wrong with the plan that was kept, or nothing.
    template <class Trial>
    std::string take_kept(const device_description& device, Trial& trial) {
        const auto kept = cache_.find(key_);
        if (!kept) return {};
        try {
            chosen_.emplace(choice{std::nullopt, graph_plan(graph_, std::string_view(*kept), device)});
            trial.check(chosen_->plan);
            return {};
        } catch (const memory_error&) { // not the plan's fault
            if (!chosen_) throw;
            return {};
        } catch (const device_error& e) {
            chosen_.reset();
            forget();
            return e.what();
        }
    }

    template <class Trial>
    void choose(const device_description& device, const engine_demands& demands, const machine_options& o, Trial& trial) {
        const bool measured = o.plan == plans::measured;
        if (measured) reserve(trial);
        chosen_.emplace(fastest(
            graph_.name(), measured ? std::max<std::size_t>(o.candidates, 1) : 1, o.workspace,
            [&](std::size_t n, bool few) { return candidates_of(graph_, device, demands, o, n, few); },
            [&](engine e) {
                graph_plan plan(graph_, e, device);
                return choice{std::move(e), std::move(plan)};
            },
            [&](const choice& c, double least) {
                try {
                    if (measured) return trial.seconds(c.plan, least);
                    trial.check(c.plan);
                    return 0.0;
                } catch (const memory_error& e) { // what is chosen without it shall not be kept: another time there may be room
                    if (c.plan.workspace() <= o.workspace)
                        problem_ = device_error(graph_.name(), "memory for all plans that were to be measured or tried", e.what()).what();
                    throw;
                }
            }));
    }
    /// So that it is said once, and not of each candidate, where there is no room to measure in.
    template <class Trial>
    void reserve(Trial& trial) const {
        try {
            trial.reserve();
        } catch (const device_error& e) {
            throw device_error(graph_.name(), "memory to measure plans in (a smaller batch needs less, plans::first none)", e.what());
        }
    }

    built_graph graph_; ///< the plan refers to it
    file_cache cache_;
    std::string key_, problem_;
    std::optional<choice> chosen_;
};

} // namespace umsrep::cuda
