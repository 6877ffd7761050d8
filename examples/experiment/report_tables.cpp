// SPDX-License-Identifier: MIT
#include "report_tables.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include <umsrep/statistics/moments.hpp>

namespace experiment::reporting {

namespace {

const std::vector<std::string> arms_of_the_paper{"independent-all", "alternating-all", "joint-all", "separate"};

/// One metric of one task: Independent, Alternating, Joint, Separate; `ours` is its name in results.csv, empty where it is not measured.
struct printed_figure {
    const char* title;
    const char* ours;
    std::array<double, 4> paper;
};

struct printed_task {
    const char* name;
    std::vector<printed_figure> figures;
};

/// Table 5 of Zamzmi, Rajaraman and Antani, Informatics in Medicine Unlocked 24, 2021, 100571.
const std::vector<printed_task> table_5{
    {"bacterial_vs_normal",
     {{"accuracy", "accuracy", {.95, .96, .96, .94}}, {"F1", "f1", {.95, .96, .95, .94}}, {"MCC", "mcc", {.90, .92, .91, .89}}}},
    {"viral_vs_normal",
     {{"accuracy", "accuracy", {.95, .96, .97, .93}}, {"F1", "f1", {.92, .93, .94, .90}}, {"MCC", "mcc", {.88, .90, .92, .86}}}},
    {"bacterial_vs_viral",
     {{"accuracy", "accuracy", {.81, .82, .83, .80}}, {"F1", "f1", {.76, .77, .80, .75}}, {"MCC", "mcc", {.56, .58, .62, .54}}}}};

/// Table 7. One binary mask has F1 = Dice.
const std::vector<printed_task> table_7{
    {"envelope",
     {{"accuracy of pixels", "pixel_accuracy", {.97, .96, .91, .93}},
      {"F1 (Dice)", "dice", {.95, .94, .93, .92}},
      {"IoU", "iou", {.98, .98, .94, .95}}}},
    {"quality", {{"accuracy", "accuracy", {.97, .95, .93, .88}}, {"F1", "f1", {.96, .91, .88, .85}}, {"MCC", "mcc", {.92, .87, .83, .78}}}},
    {"flow", {{"accuracy", "accuracy", {.93, .91, .92, .91}}, {"F1", "f1", {.91, .90, .90, .88}}, {"MCC", "mcc", {.85, .82, .84, .81}}}}};

data_table paper_table(const study& of, std::string id, const std::string& title, const std::string& family,
                       const std::vector<printed_task>& printed) {
    const std::vector<int> budgets = of.budgets(family);
    const int complete = of.largest_budget(family, arms_of_the_paper);
    const int labels = complete > 0 || budgets.empty() ? complete : budgets.back();
    std::set<std::size_t> seeds; // how many each arm has
    for (const std::string& arm : arms_of_the_paper)
        for (const task_of& t : of.tasks(family))
            if (const std::size_t n = of.values(t, t.metric(), arm, labels).size(); n > 0) seeds.insert(n);
    std::string over = "mean over seeds.";
    if (seeds.size() == 1) over = "mean over " + std::to_string(*seeds.begin()) + (*seeds.begin() == 1 ? " seed." : " seeds.");
    else if (seeds.size() > 1)
        over = "means over " + std::to_string(*seeds.begin()) + " to " + std::to_string(*seeds.rbegin()) +
               " seeds: columns of fewer seeds are of other training images, too.";
    data_table table{std::move(id),
                     title + (budgets.empty() ? "; nothing of " + family + " was run."
                                              : "; ours with " + std::to_string(labels) + " labels per task, " + over),
                     {{"task", "Task"},
                      {"figure", "Figure"},
                      {"independent", "Inde\u00adpen\u00addent", 3},
                      {"alternating", "Alter\u00adnat\u00ading", 3},
                      {"joint", "Joint", 3},
                      {"separate", "Sepa\u00adrate", 3}},
                     {},
                     true};
    for (const printed_task& t : printed)
        for (const printed_figure& f : t.figures) {
            table.rows.push_back({t.name, f.title + std::string{", paper"}});
            for (const double value : f.paper) {
                table.rows.back().push_back(value);
                table.rows.back().back().digits = 2; // as printed
            }
            table.rows.push_back({t.name, f.title + std::string{", ours"}});
            for (const std::string& arm : arms_of_the_paper)
                table.rows.back().push_back(
                    {of.mean({family, t.name, {}}, f.ours, arm, labels), *f.ours == '\0' ? "not mea\u00adsured" : "missing"});
        }
    return table;
}

std::string of_task(const task_of& t) { return t.family + ": " + t.name; }

/// "3 of 5": seeds whose test is significant by itself.
std::string of_seeds(std::vector<double> p) {
    if (p.empty()) return "–";
    if (std::ranges::any_of(p, [](double v) { return std::isnan(v); })) return "not known";
    const auto low = std::ranges::count_if(p, [](double v) { return v <= significance; });
    return std::to_string(low) + " of " + std::to_string(p.size());
}

/// What is measured off an envelope, with its title.
constexpr std::array<std::pair<const char*, const char*>, 3> measured_quantities{
    {{"peak_velocity", "Peak velocity"}, {"vti", "VTI"}, {"early_to_late", "E/A"}}};

bool is_quantity(std::string_view metric) {
    return std::ranges::any_of(measured_quantities, [&](const auto& q) { return metric.starts_with(std::string{q.first} + "_"); });
}

/// The largest budget for which separate models have the task's figure; else the largest there is.
int largest_with_separate(const study& of, const task_of& task) {
    const std::vector<int> budgets = of.budgets(task.family);
    int labels = 0;
    for (const int budget : budgets)
        if (!of.values(task, task.metric(), "separate", budget).empty()) labels = budget;
    return labels > 0 ? labels : budgets.back();
}

cell p_value(double p, bool applies = true) { return {p, applies ? "not known" : "–"}; }

} // namespace

data_table verdict_table(const judgement& j) {
    data_table table{
        "verdicts", "Verdicts", {{"id", "Id"}, {"criterion", "Criterion"}, {"verdict", "Verdict"}, {"evidence", "Evidence"}}, {}};
    for (const verdict& v : j.verdicts) table.rows.push_back({v.id, v.criterion, to_string(v.is), v.evidence});
    return table;
}

data_table paper_table_5(const study& of) {
    return paper_table(of, "paper_table_5", "The paper's Table 5, homogeneous chest X-ray tasks", "cxr-homogeneous", table_5);
}

data_table paper_table_7(const study& of) {
    return paper_table(of, "paper_table_7", "The paper's Table 7, heterogeneous echo tasks", "echo-heterogeneous", table_7);
}

data_table learning_curves(const study& of, int resamples, std::uint64_t seed) {
    data_table table{"learning_curves",
                     "Mean over seeds, 95 % interval over test patients and seeds",
                     {{"task", "Task"},
                      {"arm", "Arm"},
                      {"labels", "Labels"},
                      {"metric", "Figure"},
                      {"value", "Value", 3},
                      {"low", "Low", 3},
                      {"high", "High", 3},
                      {"seeds", "Seeds"}},
                     {},
                     true};
    for (const task_of& t : of.tasks())
        for (const std::string& arm : of.arms(t.family))
            for (const int labels : of.budgets(t.family)) {
                const auto interval = value_of(of, t, labels, arm, resamples, seed).interval;
                table.rows.push_back({of_task(t),
                                      arm,
                                      static_cast<double>(labels),
                                      t.title(),
                                      of.mean(t, t.metric(), arm, labels),
                                      {interval.low, "not known"},
                                      {interval.high, "not known"},
                                      static_cast<double>(of.values(t, t.metric(), arm, labels).size())});
            }
    return table;
}

data_table ranking(const study& of) {
    data_table table{
        "ranking",
        "Rank of each arm, 1 the best, averaged over tasks and label budgets; of means over the same seeds; ties share "
        "their mean rank; arms from fewer seeds are incomplete",
        {{"family", "Family"},
         {"arm", "Arm"},
         {"rank", "Mean rank", 2},
         {"best", "Best in"},
         {"cells", "Of tasks × budgets"},
         {"seeds", "Seeds"},
         {"gain", "Gain over separate, points", 1, true}},
        {},
        true};
    for (const std::string& family : of.families()) {
        std::vector<std::pair<task_of, int>> cells;
        for (const task_of& t : of.tasks(family))
            for (const int labels : of.budgets(family)) cells.emplace_back(t, labels);
        const std::vector<std::string> arms = of.arms(family);
        std::map<std::string, std::set<std::uint64_t>> seeds;
        std::set<std::uint64_t> most;
        for (const std::string& arm : arms) {
            seeds[arm] = of.complete_seeds(family, arm);
            if (seeds[arm].size() > most.size()) most = seeds[arm];
        }
        std::map<std::string, std::vector<double>> values;
        std::vector<std::string> complete, incomplete;
        for (const std::string& arm : arms) {
            const bool known = !most.empty() && std::ranges::includes(seeds[arm], most);
            (known ? complete : incomplete).push_back(arm);
            for (const auto& [t, labels] : cells) {
                const auto all = of.values(t, t.metric(), arm, labels);
                std::vector<double> ranked;
                for (const auto& [seed, value] : all)
                    if (!known || most.contains(seed)) ranked.push_back(value);
                values[arm].push_back(umsrep::statistics::mean(ranked));
            }
        }
        std::vector<std::vector<cell>> rows;
        for (const std::string& arm : complete) {
            double ranks = 0, best = 0;
            std::vector<double> gains;
            for (std::size_t i = 0; i < cells.size(); ++i) {
                double above = 0, equal = 0;
                for (const std::string& other : complete) {
                    above += values[other][i] > values[arm][i];
                    equal += values[other][i] == values[arm][i];
                }
                ranks += above + 0.5 * (equal + 1);
                best += above == 0;
                // Decibels are no points.
                if (std::ranges::find(complete, "separate") != complete.end() && cells[i].first.type != task_type::denoising)
                    gains.push_back(100 * (values[arm][i] - values["separate"][i]));
            }
            const auto count = static_cast<double>(cells.size());
            rows.push_back(
                {family, arm, ranks / count, best, count, static_cast<double>(most.size()), umsrep::statistics::mean(gains)});
        }
        std::ranges::stable_sort(rows, {}, [](const auto& row) { return row[2].number; });
        for (const std::string& arm : incomplete) {
            const auto has = std::ranges::count_if(values[arm], [](double v) { return !std::isnan(v); });
            rows.push_back({family,
                            arm,
                            {unknown, "incomplete"},
                            {unknown, "–"},
                            static_cast<double>(has),
                            static_cast<double>(seeds[arm].size()),
                            {unknown, "–"}});
        }
        std::ranges::move(rows, std::back_inserter(table.rows));
    }
    return table;
}

data_table controls(const study& of, int resamples, std::uint64_t seed) {
    data_table table{"controls",
                     "Differences at the largest budget that both arms have, with 95 % intervals over test patients and seeds",
                     {{"task", "Task"},
                      {"what", "What it shows"},
                      {"arm", "Arm"},
                      {"against", "Against"},
                      {"labels", "Labels"},
                      {"difference", "Difference", 1, true},
                      {"unit", "Unit"},
                      {"low", "Low", 1, true},
                      {"high", "High", 1, true},
                      {"p", "p", 4, false, 1, true}},
                     {},
                     true};
    constexpr std::array<std::array<const char*, 3>, 5> questions{
        {{"several tasks, without stage 1", "joint-scratch", "separate"},
         {"stage 1, within joint training", "joint-all", "joint-scratch"},
         {"stage 1, one task at a time", "independent-all", "separate"},
         {"an encoder of the other modality", "separate-other", "separate"},
         {"this modality's encoder rather than the other's", "independent-all", "separate-other"}}};
    for (const task_of& t : of.tasks())
        for (const auto& [what, arm, against] : questions) {
            int labels = 0;
            for (const int budget : of.budgets(t.family))
                if (!of.values(t, t.metric(), arm, budget).empty() && !of.values(t, t.metric(), against, budget).empty()) labels = budget;
            comparison c;
            if (labels > 0) c = compare(of, t, labels, arm, against, resamples, seed);
            const double points = t.points();
            table.rows.push_back({of_task(t),
                                  what,
                                  arm,
                                  against,
                                  {labels > 0 ? labels : unknown, "not run"},
                                  points * c.difference.value,
                                  t.unit(),
                                  points * c.difference.interval.low,
                                  points * c.difference.interval.high,
                                  c.difference.p});
        }
    return table;
}

std::vector<comparison> comparisons(const study& of, int resamples, std::uint64_t seed) {
    std::vector<comparison> result;
    for (const task_of& t : of.tasks())
        for (const int labels : of.budgets(t.family))
            for (const std::string& arm : of.arms(t.family))
                if (arm != "separate") result.push_back(compare(of, t, labels, arm, "separate", resamples, seed));
    adjust(result);
    return result;
}

data_table comparison_table(std::string id, std::string caption, std::span<const comparison> all) {
    data_table table{std::move(id),
                     std::move(caption),
                     {{"task", "Task"},
                      {"arm", "Arm"},
                      {"labels", "Labels"},
                      {"seeds", "Seeds"},
                      {"patients", "Test patients"},
                      {"images", "Test images"},
                      {"difference", "Difference from separate", 1, true},
                      {"unit", "Unit"},
                      {"low", "Low", 1, true},
                      {"high", "High", 1, true},
                      {"p", "p, bootstrap", 4, false, 1, true},
                      {"p_holm", "p, Holm", 4, false, 1, true},
                      {"mcnemar_significant", "McNemar, seeds with p ≤ .05"},
                      {"auroc_difference", "AUROC, difference", 3, true},
                      {"delong_significant", "DeLong, seeds with p ≤ .05"},
                      {"p_wilcoxon_seeds", "p, Wilcoxon over seeds", 4, false, 1, true},
                      {"p_wilcoxon_images", "p, Wilcoxon over images", 4, false, 1, true},
                      {"remark", "Remark"}},
                     {},
                     true};
    for (const comparison& c : all) {
        const double points = c.task.points();
        const bool classes = c.task.type == task_type::classification;
        table.rows.push_back({of_task(c.task),
                              c.arm.empty() ? "none" : c.arm,
                              static_cast<double>(c.labels),
                              static_cast<double>(c.seeds),
                              static_cast<double>(c.patients),
                              static_cast<double>(c.images),
                              points * c.difference.value,
                              c.task.unit(),
                              points * c.difference.interval.low,
                              points * c.difference.interval.high,
                              p_value(c.difference.p),
                              p_value(c.holm),
                              of_seeds(c.mcnemar),
                              {c.auroc_difference, "–"},
                              of_seeds(c.delong),
                              p_value(c.wilcoxon_seeds),
                              p_value(c.wilcoxon_images, !classes),
                              c.missing.empty() ? "–" : c.missing});
    }
    return table;
}

data_table cost_table(const study& of) {
    data_table table{"costs",
                     "Mean over the seeds that both the arm and separate models have, at the largest such budget",
                     {{"family", "Family"},
                      {"arm", "Arm"},
                      {"labels", "Labels"},
                      {"seeds", "Seeds"},
                      {"macs_per_step", "MACs per sample and step, M", 1, false, 1e-6},
                      {"macs_total", "MACs in all, G", 1, false, 1e-9},
                      {"parameters", "Parameters, k", 1, false, 1e-3},
                      {"trained_parameters", "Trained, k", 1, false, 1e-3},
                      {"epochs", "Epochs", 1},
                      {"train_seconds", "Training, s", 1},
                      {"stage1_seconds", "Stage 1, s", 1},
                      {"saved", "Saved, %", 1, false, 100},
                      {"saved_with_stage1", "Saved with stage 1, %", 1, false, 100},
                      {"break_even_tasks", "Break-even, tasks", 1},
                      {"peak_bytes", "Peak memory, MB", 0, false, 1e-6},
                      {"latency_p50_ms", "Latency p50, ms", 2},
                      {"latency_p95_ms", "Latency p95, ms", 2}},
                     {},
                     true};
    for (const std::string& family : of.families())
        for (const std::string& arm : of.arms(family)) {
            const saving s = saving_of(of, family, arm);
            const auto mean = [&](double cost::*field) {
                std::vector<double> values;
                for (const auto& [id, c] : of.folder().costs)
                    if (id.family == family && id.arm == arm && id.labels == s.labels &&
                        of.folder().costs.contains({family, "separate", s.labels, id.seed}))
                        values.push_back(c.*field);
                return cell{umsrep::statistics::mean(values)};
            };
            const bool stage1 = pretrained(arm);
            const std::string no_stage1 = stage1 ? "missing" : "–";
            table.rows.push_back({family,
                                  arm,
                                  {s.seeds > 0 ? s.labels : unknown, "missing"},
                                  static_cast<double>(s.seeds),
                                  mean(&cost::macs_per_step),
                                  mean(&cost::macs_total),
                                  mean(&cost::parameters),
                                  mean(&cost::trained_parameters),
                                  mean(&cost::epochs),
                                  s.seconds,
                                  {s.stage1, no_stage1},
                                  {arm == "separate" ? unknown : s.share(), arm == "separate" ? "–" : "missing"},
                                  {stage1 ? s.share_with_stage1() : unknown, no_stage1},
                                  {stage1 ? s.break_even(of.tasks(family).size()) : unknown, no_stage1},
                                  mean(&cost::peak_bytes),
                                  mean(&cost::latency_p50_ms),
                                  mean(&cost::latency_p95_ms)});
        }
    return table;
}

data_table figures_of(const study& of, const task_of& task) {
    const int labels = largest_with_separate(of, task);
    data_table table{"figures", of_task(task) + ", " + std::to_string(labels) + " labels, mean over seeds", {{"arm", "Arm"}}, {}};
    std::vector<std::string> metrics = of.metrics(task);
    std::erase_if(metrics, [](const std::string& m) { return m.starts_with("shifted_") || is_quantity(m); });
    for (const std::string& metric : metrics) {
        std::string title = metric;
        std::ranges::replace(title, '_', ' ');
        table.columns.push_back({metric, title, metric == "psnr" || metric == "hd95" ? 1 : 3});
        if (metric == "hd95") table.columns.push_back({"hd95_images", "images with a hd95", 1});
    }
    for (const std::string& arm : of.arms(task.family)) {
        table.rows.push_back({arm});
        for (const std::string& metric : metrics) {
            table.rows.back().push_back(of.mean(task, metric, arm, labels));
            if (metric == "hd95") table.rows.back().push_back(of.mean_count(task, metric, arm, labels));
        }
    }
    return table;
}

data_table quantities(const study& of) {
    data_table table{
        "doppler",
        "Measured off predicted envelopes against the truth, percent of it: bias and 95 % limits of agreement, of the images "
        "that could be read, and how many these were (only flows with two waves have E/A); means over seeds. On which side to "
        "look, and for which waves, is told by the true kind of flow",
        {{"images", "Images"}, {"arm", "Arm"}, {"labels", "Labels"}, {"test_images", "Test images"}},
        {},
        true};
    for (const auto& [quantity, title] : measured_quantities) {
        table.columns.push_back({quantity + std::string{"_images"}, title + std::string{", read"}, 1});
        for (const char* figure : {"bias", "low", "high"})
            table.columns.push_back({quantity + std::string{"_"} + figure, title + std::string{", "} + figure + ", %", 1, true});
    }
    for (const task_of& t : of.tasks())
        for (const std::string prefix : {"", "shifted_"}) {
            const std::vector<std::string> metrics = of.metrics(t);
            if (std::ranges::none_of(metrics,
                                     [&](const std::string& m) { return m.starts_with(prefix) && is_quantity(m.substr(prefix.size())); }))
                continue;
            const int labels = largest_with_separate(of, t);
            for (const std::string& arm : of.arms(t.family)) {
                table.rows.push_back(
                    {prefix.empty() ? "Like those trained on" : "As of another machine: other noise, scale, frequency", arm,
                     static_cast<double>(labels), of.mean_count(t, prefix + t.metric(), arm, labels)});
                for (const auto& [quantity, title] : measured_quantities) {
                    const std::string name = prefix + quantity;
                    table.rows.back().push_back(of.mean_count(t, name + "_bias", arm, labels));
                    for (const char* figure : {"_bias", "_low", "_high"})
                        table.rows.back().push_back(of.mean(t, name + figure, arm, labels));
                }
            }
        }
    return table;
}

data_table shifted(const study& of) {
    data_table table{"shifted",
                     "Test images as of another machine beside those like the ones trained on, mean over seeds",
                     {{"task", "Task"},
                      {"arm", "Arm"},
                      {"labels", "Labels"},
                      {"metric", "Figure"},
                      {"value", "Like those trained on", 3},
                      {"shifted", "Another machine", 3}},
                     {},
                     true};
    for (const task_of& t : of.tasks()) {
        const std::vector<std::string> metrics = of.metrics(t);
        if (std::ranges::find(metrics, std::string{"shifted_"} + t.metric()) == metrics.end()) continue;
        const int labels = largest_with_separate(of, t);
        for (const std::string& arm : of.arms(t.family))
            table.rows.push_back({of_task(t), arm, static_cast<double>(labels), t.title(), of.mean(t, t.metric(), arm, labels),
                                  of.mean(t, std::string{"shifted_"} + t.metric(), arm, labels)});
    }
    return table;
}

data_table figures(const study& of) {
    data_table table{
        "figures",
        "Every figure as measured",
        {{"family", ""}, {"task", ""}, {"arm", ""}, {"labels", ""}, {"seed", ""}, {"metric", ""}, {"value", ""}, {"count", ""}},
        {}};
    for (const auto& [id, tasks] : of.folder().results)
        for (const auto& [task, metrics] : tasks)
            for (const auto& [metric, value] : metrics)
                table.rows.push_back({id.family, task, id.arm, static_cast<double>(id.labels), static_cast<double>(id.seed),
                                      metric, value, of.folder().counts.at(id).at(task).at(metric)});
    return table;
}

data_table gap_table(const study& of, std::span<const comparison> comparisons) {
    data_table table{"missing", "What is missing or is no number", {{"where", "Where"}, {"what", "What"}}, {}};
    for (const gap& g : of.folder().gaps) table.rows.push_back({g.where, g.what});
    for (const comparison& c : comparisons)
        if (!c.missing.empty())
            table.rows.push_back({of_task(c.task) + ", " + c.arm + ", " + std::to_string(c.labels) + " labels",
                                  "no comparison with separate models: " + c.missing});
    // The figures and the predictions are two ways to the same number.
    for (const comparison& c : comparisons) {
        const auto seeds = of.values(c.task, c.task.metric(), c.arm, c.labels);
        if (c.missing.empty() && seeds.size() == c.seeds && std::abs(of.mean(c.task, c.task.metric(), c.arm, c.labels) - c.first) > 1e-3)
            table.rows.push_back({of_task(c.task) + ", " + c.arm + ", " + std::to_string(c.labels) + " labels",
                                  std::string{c.task.title()} + " of results.csv (" +
                                      exact(of.mean(c.task, c.task.metric(), c.arm, c.labels)) + ") is not that of the predictions (" +
                                      exact(c.first) + ")"});
    }
    return table;
}

} // namespace experiment::reporting
