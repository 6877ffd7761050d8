// SPDX-License-Identifier: MIT
#include "report_study.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <utility>

#include <umsrep/statistics/moments.hpp>

namespace experiment::reporting {

const char* task_of::metric() const {
    return type == task_type::classification ? "accuracy" : type == task_type::segmentation ? "iou_per_image" : "psnr";
}

const char* task_of::title() const {
    return type == task_type::classification ? "accuracy" : type == task_type::segmentation ? "IoU per image" : "PSNR, dB";
}

bool pretrained(std::string_view arm) {
    return arm != "joint-scratch" && (arm.starts_with("independent-") || arm.starts_with("alternating-") || arm.starts_with("joint-"));
}

study::study(const measured_folder& folder) : folder_{folder} {
    const auto has = [&](const std::string& family) {
        return std::ranges::any_of(folder.results, [&](const auto& r) { return r.first.family == family; });
    };
    std::ranges::copy_if(folder.families, std::back_inserter(families_), has);
    for (const auto& [id, tasks] : folder.results) {
        if (std::ranges::find(families_, id.family) == families_.end()) families_.push_back(id.family);
        for (const auto& [name, metrics] : tasks) {
            const auto same = [&](const task_of& t) { return t.family == id.family && t.name == name; };
            if (std::ranges::any_of(tasks_, same)) continue;
            if (metrics.contains("accuracy")) tasks_.push_back({id.family, name, task_type::classification});
            else if (metrics.contains("iou_per_image")) tasks_.push_back({id.family, name, task_type::segmentation});
            else if (metrics.contains("psnr")) tasks_.push_back({id.family, name, task_type::denoising});
        }
    }
    const auto place = [&](const task_of& t) { return std::pair{std::ranges::find(families_, t.family) - families_.begin(), t.name}; };
    std::ranges::sort(tasks_, {}, place);
}

std::vector<task_of> study::tasks(std::string_view family) const {
    std::vector<task_of> result;
    std::ranges::copy_if(tasks_, std::back_inserter(result), [&](const task_of& t) { return t.family == family; });
    return result;
}

std::vector<std::string> study::arms(std::string_view family) const {
    std::vector<std::string> result;
    const auto ran = [&](const std::string& arm) {
        return std::ranges::any_of(folder_.results, [&](const auto& r) { return r.first.family == family && r.first.arm == arm; });
    };
    std::ranges::copy_if(folder_.arms, std::back_inserter(result), ran);
    return result;
}

std::vector<int> study::budgets(std::string_view family) const {
    std::set<int> result;
    for (const auto& [id, tasks] : folder_.results)
        if (id.family == family) result.insert(id.labels);
    return {result.begin(), result.end()};
}

std::vector<std::string> study::metrics(const task_of& task) const {
    std::set<std::string> result;
    for (const auto& [id, tasks] : folder_.results)
        if (const auto found = tasks.find(task.name); id.family == task.family && found != tasks.end())
            for (const auto& [name, value] : found->second) result.insert(name);
    return {result.begin(), result.end()};
}

std::map<std::uint64_t, double> study::values(const task_of& task, const std::string& metric, const std::string& arm, int labels) const {
    std::map<std::uint64_t, double> result;
    const run_id from{task.family, arm, labels, 0};
    for (auto run = folder_.results.lower_bound(from); run != folder_.results.end(); ++run) {
        const auto& [id, tasks] = *run;
        if (id.family != from.family || id.arm != arm || id.labels != labels) break;
        const auto found = tasks.find(task.name);
        if (found == tasks.end()) continue;
        if (const auto value = found->second.find(metric); value != found->second.end() && !std::isnan(value->second))
            result[id.seed] = value->second;
    }
    return result;
}

double study::mean(const task_of& task, const std::string& metric, const std::string& arm, int labels) const {
    std::vector<double> of_seeds;
    for (const auto& [seed, value] : values(task, metric, arm, labels)) of_seeds.push_back(value);
    return umsrep::statistics::mean(of_seeds);
}

double study::mean_count(const task_of& task, const std::string& metric, const std::string& arm, int labels) const {
    std::vector<double> of_seeds;
    for (const auto& [id, tasks] : folder_.counts) {
        if (id.family != task.family || id.arm != arm || id.labels != labels) continue;
        const auto found = tasks.find(task.name);
        if (found == tasks.end()) continue;
        if (const auto count = found->second.find(metric); count != found->second.end()) of_seeds.push_back(count->second);
    }
    return umsrep::statistics::mean(of_seeds);
}

std::set<std::uint64_t> study::complete_seeds(std::string_view family, const std::string& arm) const {
    std::map<std::uint64_t, std::size_t> has;
    std::size_t cells = 0;
    for (const task_of& t : tasks(family))
        for (const int labels : budgets(family)) {
            ++cells;
            for (const auto& [seed, value] : values(t, t.metric(), arm, labels)) ++has[seed];
        }
    std::set<std::uint64_t> result;
    for (const auto& [seed, count] : has)
        if (count == cells) result.insert(seed);
    return result;
}

std::string study::chosen_arm(const task_of& task, int labels) const {
    std::string best;
    std::size_t most_seeds = 0;
    double highest = unknown;
    for (const std::string& arm : arms(task.family)) {
        if (!pretrained(arm)) continue;
        std::vector<double> of_seeds;
        for (const auto& [id, tasks] : folder_.validation)
            if (const auto found = tasks.find(task.name);
                id.family == task.family && id.arm == arm && id.labels == labels && found != tasks.end() && folder_.results.contains(id))
                of_seeds.push_back(found->second);
        const double value = umsrep::statistics::mean(of_seeds);
        if (std::isnan(value) || of_seeds.size() < most_seeds || (of_seeds.size() == most_seeds && value <= highest)) continue;
        most_seeds = of_seeds.size();
        highest = value;
        best = arm;
    }
    return best;
}

int study::largest_budget(std::string_view family, std::span<const std::string> arms) const {
    int largest = 0;
    for (const int labels : budgets(family)) {
        const auto complete = [&](const task_of& t) {
            return std::ranges::all_of(arms, [&](const std::string& arm) { return !values(t, t.metric(), arm, labels).empty(); });
        };
        if (std::ranges::all_of(tasks(family), complete)) largest = std::max(largest, labels);
    }
    return largest;
}

} // namespace experiment::reporting
