// SPDX-License-Identifier: MIT
#include "report_judge.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <utility>

#include <umsrep/statistics/moments.hpp>

#include "report_table.hpp"

namespace experiment::reporting {

namespace {

constexpr std::array<std::pair<const char*, const char*>, 6> tasks_of_the_paper{{{"cxr-homogeneous", "bacterial_vs_normal"},
                                                                                 {"cxr-homogeneous", "viral_vs_normal"},
                                                                                 {"cxr-homogeneous", "bacterial_vs_viral"},
                                                                                 {"echo-heterogeneous", "envelope"},
                                                                                 {"echo-heterogeneous", "quality"},
                                                                                 {"echo-heterogeneous", "flow"}}};

bool of_the_paper(const task_of& t) {
    return std::ranges::any_of(tasks_of_the_paper, [&](const auto& p) { return t.family == p.first && t.name == p.second; });
}

std::string fixed(double value, int digits, bool sign = false) {
    return shown(value, {.id = "", .title = "", .digits = digits, .sign = sign});
}

std::string plural(std::size_t count, const std::string& thing) { return std::to_string(count) + " " + thing + (count == 1 ? "" : "s"); }

/// "flow: joint-all +2.1 points [−0.3, +4.2]"
std::string said(const comparison& c) {
    if (!c.missing.empty()) return c.task.name + ": " + (c.arm.empty() ? "" : c.arm + ", ") + c.missing;
    const double points = c.task.points();
    return c.task.name + ": " + c.arm + " " + fixed(points * c.difference.value, 1, true) + " " + c.task.unit() + " [" +
           fixed(points * c.difference.interval.low, 1, true) + ", " + fixed(points * c.difference.interval.high, 1, true) + "]";
}

std::string said(const std::vector<comparison>& all) {
    std::string text;
    for (const comparison& c : all) text += (text.empty() ? "" : "; ") + said(c);
    return text + ".";
}

/// "At 300 labels from 5 seeds: "
std::string setting(const std::vector<comparison>& all) {
    std::size_t fewest = all.front().seeds, most = fewest;
    for (const comparison& c : all) {
        fewest = std::min(fewest, c.seeds);
        most = std::max(most, c.seeds);
    }
    return "At " + std::to_string(all.front().labels) + " labels per task, " + (fewest == most ? "" : std::to_string(fewest) + " to ") +
           plural(most, "seed") + ": ";
}

/// Whether something speaks about the criterion at all, and if so what.
outcome decided(bool any_fails, bool all_known) {
    return any_fails ? outcome::not_reproduced : all_known ? outcome::reproduced : outcome::not_judged;
}

bool counts(const comparison& c) { return c.missing.empty() && c.seeds >= seeds_needed; }

std::string too_few(const std::vector<comparison>& all) {
    const bool few = std::ranges::any_of(all, [](const comparison& c) { return c.missing.empty() && c.seeds < seeds_needed; });
    return few ? " Fewer than " + std::to_string(seeds_needed) + " seeds: chance is not told from effect." : "";
}

std::string may_be_chance(const std::vector<comparison>& all) {
    const auto excludes_0 = [](const comparison& c) { return c.difference.interval.low > 0 || c.difference.interval.high < 0; };
    return std::ranges::any_of(all, excludes_0) ? "" : " No interval excludes 0: the order may be chance.";
}

/// The arm that validation images chose, against separate models.
comparison best_arm(const study& of, const task_of& task, int labels, int resamples, std::uint64_t seed) {
    const std::string arm = of.chosen_arm(task, labels);
    if (!arm.empty()) return compare(of, task, labels, arm, "separate", resamples, seed);
    comparison none;
    none.task = task;
    none.labels = labels;
    none.baseline = "separate";
    none.missing = "no pre-trained arm with a figure on validation images to choose it by";
    return none;
}

/// The largest budget with separate models and any pre-trained arm, complete in all tasks.
int largest_comparable(const study& of, const std::string& family) {
    int largest = 0;
    for (const std::string& arm : of.arms(family))
        if (pretrained(arm)) largest = std::max(largest, of.largest_budget(family, std::array<std::string, 2>{"separate", arm}));
    return largest;
}

verdict every_task(const std::string& family, const std::vector<comparison>& best) {
    verdict v{"accuracy." + family,
              "The best UMS-Rep arm is at least as good as separate models on every task of " + family,
              outcome::not_judged,
              {}};
    if (best.empty()) {
        v.evidence = "No label budget at which both separate models and a pre-trained arm have results in all tasks.";
        return v;
    }
    v.is = decided(std::ranges::any_of(best, [](const comparison& c) { return counts(c) && c.difference.value < 0; }),
                   std::ranges::all_of(best, counts));
    v.evidence = setting(best) + said(best) + too_few(best) + may_be_chance(best);
    return v;
}

verdict six_tasks(std::vector<comparison> best) {
    verdict v{"paper.six",
              "On all 6 tasks of the paper the best UMS-Rep arm is at least as good as separate models, on at least 3 significantly (Holm)",
              outcome::not_judged,
              {}};
    std::erase_if(best, [](const comparison& c) { return !of_the_paper(c.task); });
    std::size_t known = 0, good = 0, significant = 0;
    for (const comparison& c : best) {
        if (!counts(c)) continue;
        ++known;
        good += c.difference.value >= 0;
        significant += c.difference.value > 0 && c.holm <= significance;
    }
    const std::size_t unknown_tasks = tasks_of_the_paper.size() - known;
    v.is = decided(good < known || significant + unknown_tasks < 3, unknown_tasks == 0);
    v.evidence = "At least as good on " + std::to_string(good) + " and significantly better on " + std::to_string(significant) +
                 " of the " + plural(known, "task") + " that can be judged";
    v.evidence +=
        unknown_tasks == 0 ? "." : "; " + std::to_string(unknown_tasks) + " of the 6 are not in this folder or have too few seeds.";
    return v;
}

verdict few_labels_gain(const std::vector<comparison>& small) {
    verdict v{"small-labels",
              "With at most " + std::to_string(few_labels) +
                  " labels per task the largest gain over separate models is at least 5 points, its interval above 0",
              outcome::not_judged,
              {}};
    // Those that count come before those from too few seeds.
    std::vector<comparison> largest;
    for (const comparison& c : small) {
        if (!c.missing.empty()) continue;
        if (largest.empty() || std::pair{counts(c), c.difference.value} > std::pair{counts(largest[0]), largest[0].difference.value})
            largest = {c};
    }
    if (largest.empty()) {
        v.evidence = "No comparison with at most " + std::to_string(few_labels) + " labels.";
        return v;
    }
    const comparison& c = largest[0];
    if (counts(c) && c.difference.value >= 0.05 && c.difference.interval.low > 0) v.is = outcome::reproduced;
    else if (std::ranges::all_of(small, counts)) v.is = outcome::not_reproduced;
    v.evidence = setting(largest) + c.task.family + ", " + said(c) + ", p = " + fixed(c.holm, 4) + " after Holm over " +
                 plural(small.size(), "comparison") + "." + too_few(small);
    const auto gone = std::ranges::count_if(small, [](const comparison& s) { return !s.missing.empty(); });
    if (gone > 0) v.evidence += " " + plural(static_cast<std::size_t>(gone), "comparison") + " could not be made.";
    return v;
}

/// Homogeneous tasks: the better of Joint and Alternating against Independent; heterogeneous ones: Independent against Joint.
verdict strategies(const study& of, const std::string& family, bool homogeneous, int resamples, std::uint64_t seed) {
    verdict v{"strategy." + family,
              homogeneous ? "Joint or Alternating is at least as good as Independent on every task of " + family
                          : "Independent is at least as good as Joint on every task of " + family,
              outcome::not_judged,
              {}};
    const std::vector<std::string> arms = homogeneous ? std::vector<std::string>{"independent-all", "alternating-all", "joint-all"}
                                                      : std::vector<std::string>{"independent-all", "joint-all"};
    const int labels = of.largest_budget(family, arms);
    if (labels == 0) {
        v.evidence = "No label budget at which these arms have results in all tasks.";
        return v;
    }
    std::vector<comparison> all;
    bool fails = false, known = true;
    for (const task_of& t : of.tasks(family)) {
        if (!homogeneous) {
            all.push_back(compare(of, t, labels, "independent-all", "joint-all", resamples, seed));
            fails |= counts(all.back()) && all.back().difference.value < 0;
            known &= counts(all.back());
            continue;
        }
        const comparison joint = compare(of, t, labels, "joint-all", "independent-all", resamples, seed);
        const comparison alternating = compare(of, t, labels, "alternating-all", "independent-all", resamples, seed);
        all.insert(all.end(), {joint, alternating});
        const bool both = counts(joint) && counts(alternating);
        fails |= both && std::max(joint.difference.value, alternating.difference.value) < 0;
        known &= both;
    }
    v.is = decided(fails, known);
    v.evidence = setting(all) + said(all) + too_few(all) + may_be_chance(all);
    return v;
}

verdict time_saved(const study& of, const std::string& family, const std::string& arm, double least, const char* what) {
    verdict v{(arm == "joint-all" ? "time-trainable." : "time-frozen.") + family,
              "At least " + fixed(100 * least, 0) + "\u00a0% of the training time of separate models is saved with " + what + ", " + family,
              outcome::not_judged,
              {}};
    const saving s = saving_of(of, family, arm);
    if (s.seeds == 0) {
        v.evidence = "No seconds of " + arm + " and separate models with the same labels and seed.";
        return v;
    }
    if (!(s.separate > 0)) {
        v.evidence = "Separate models took no measurable time.";
        return v;
    }
    v.is = s.share() >= least ? outcome::reproduced : outcome::not_reproduced;
    v.evidence =
        fixed(100 * s.share(), 1) + "\u00a0% saved by " + arm + ": " + fixed(s.seconds, 1) + " s instead of " + fixed(s.separate, 1) +
        " s, " + std::to_string(s.labels) + " labels, mean of " + plural(s.seeds, "seed") + ". Stage 1 " +
        (std::isnan(s.stage1) ? "was not timed."
                              : "took " + fixed(s.stage1, 1) + " s; with it " + fixed(100 * s.share_with_stage1(), 1) + "\u00a0%.");
    return v;
}

/// Whether every image carries the labels of all tasks, so that one pass of the encoder serves them all. Chest X-rays of a folder have
/// masks on other images than findings.
bool shares_images(const study& of, const std::string& family) {
    if (!family.ends_with("heterogeneous")) return false;
    const auto& settings = of.folder().settings;
    const auto data = settings.find("data");
    if (!family.starts_with("cxr") || data == settings.end() || !data->is_object() || !data->contains("lungs")) return true;
    return data->at("lungs") == "simulated";
}

} // namespace

const char* to_string(outcome o) {
    return o == outcome::reproduced ? "reproduced" : o == outcome::not_reproduced ? "not reproduced" : "cannot be judged";
}

double saving::break_even(std::size_t tasks) const {
    const double saved = (separate - seconds) / static_cast<double>(tasks);
    return saved <= 0 ? std::numeric_limits<double>::infinity() : stage1 / saved;
}

saving saving_of(const study& of, const std::string& family, const std::string& arm) {
    const auto& costs = of.folder().costs;
    saving result;
    for (const int labels : of.budgets(family)) {
        std::vector<double> separate, seconds, stage1;
        for (const auto& [id, c] : costs) {
            if (id.family != family || id.arm != arm || id.labels != labels || std::isnan(c.train_seconds)) continue;
            const auto baseline = costs.find({family, "separate", labels, id.seed});
            if (baseline == costs.end() || std::isnan(baseline->second.train_seconds)) continue;
            separate.push_back(baseline->second.train_seconds);
            seconds.push_back(c.train_seconds);
            stage1.push_back(c.stage1_seconds);
        }
        if (separate.empty()) continue;
        namespace s = umsrep::statistics;
        result = {labels, separate.size(), s::mean(separate), s::mean(seconds), s::mean(stage1)};
    }
    return result;
}

judgement judge(const study& of, int resamples, std::uint64_t seed) {
    judgement result;
    std::vector<verdict> strategy, time;
    for (const std::string& family : of.families()) {
        std::vector<comparison> best;
        if (const int labels = largest_comparable(of, family); labels > 0)
            for (const task_of& t : of.tasks(family)) best.push_back(best_arm(of, t, labels, resamples, seed));
        result.verdicts.push_back(every_task(family, best));
        result.best.insert(result.best.end(), best.begin(), best.end());

        for (const int labels : of.budgets(family))
            for (const task_of& t : of.tasks(family))
                if (labels <= few_labels && t.type != task_type::denoising)
                    result.small.push_back(best_arm(of, t, labels, resamples, seed));

        const bool homogeneous = family.ends_with("homogeneous"), heterogeneous = family.ends_with("heterogeneous");
        if (homogeneous || heterogeneous) strategy.push_back(strategies(of, family, homogeneous, resamples, seed));
        time.push_back(time_saved(of, family, "joint-frozen", 0.8, "a frozen encoder and joint heads"));
        if (shares_images(of, family))
            time.push_back(time_saved(of, family, "joint-all", 0.6, "a trainable encoder and joint heads on shared images"));
    }
    adjust(result.best);
    adjust(result.small);
    result.verdicts.insert(result.verdicts.begin(), {six_tasks(result.best), few_labels_gain(result.small)});
    result.verdicts.insert(result.verdicts.end(), strategy.begin(), strategy.end());
    result.verdicts.insert(result.verdicts.end(), time.begin(), time.end());
    return result;
}

} // namespace experiment::reporting
