// SPDX-License-Identifier: MIT
#include "report_folder.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include <umsrep/core/error.hpp>
#include <umsrep/io/csv.hpp>
#include <umsrep/io/read_bytes.hpp>

namespace experiment::reporting {

namespace fs = std::filesystem;
using umsrep::file_error;
using umsrep::io::csv;

namespace {

std::string where(const csv& table, std::size_t row, std::size_t column) {
    return table.where_row(row) + ": column '" + table.columns()[column] + "'";
}

template <class Number>
bool parse(std::string_view text, Number& value) {
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    return failure == std::errc{} && end == text.data() + text.size();
}

/// A number, "nan" and "inf" included; NaN for an empty field where that is allowed.
double number_at(const csv& table, std::size_t row, std::size_t column, bool may_be_empty = false) {
    const std::string& text = table.at(row, column);
    double value = unknown;
    if ((text.empty() && may_be_empty) || parse(text, value)) return value;
    throw file_error(where(table, row, column), "a number", "'" + text + "'");
}

template <class Whole>
Whole whole_at(const csv& table, std::size_t row, std::size_t column) {
    const std::string& text = table.at(row, column);
    Whole value{};
    if (parse(text, value) && value >= 0) return value;
    throw file_error(where(table, row, column), "a whole number, not negative", "'" + text + "'");
}

const std::string& name_at(const csv& table, std::size_t row, std::size_t column) {
    const std::string& text = table.at(row, column);
    if (text.empty()) throw file_error(where(table, row, column), "a name", "nothing");
    return text;
}

/// The columns that say which run a row is of. A run's name belongs to one run_id, and the reverse.
class run_columns {
public:
    explicit run_columns(const csv& table)
        : run_{table.column("run")},
          family_{table.column("family")},
          arm_{table.column("arm")},
          labels_{table.column("labels")},
          seed_{table.column("seed")} {}

    run_id at(const csv& table, std::size_t row, std::map<std::string, run_id>& names) const {
        run_id id{name_at(table, row, family_), name_at(table, row, arm_), whole_at<int>(table, row, labels_),
                  whole_at<std::uint64_t>(table, row, seed_)};
        const auto [known, added] = names.try_emplace(name_at(table, row, run_), id);
        if (known->second != id)
            throw file_error(where(table, row, run_), "the family, arm, labels and seed that '" + known->first + "' had before", "others");
        return id;
    }

private:
    std::size_t run_, family_, arm_, labels_, seed_;
};

void read_results(measured_folder& folder, std::map<std::string, run_id>& names) {
    const csv table = csv::read(folder.path / "results.csv");
    const run_columns run{table};
    const std::size_t task = table.column("task"), metric = table.column("metric"), value = table.column("value"),
                      count = table.column("count");
    for (std::size_t row = 0; row < table.rows(); ++row) {
        const run_id id = run.at(table, row, names);
        if (std::ranges::find(folder.arms, id.arm) == folder.arms.end()) folder.arms.push_back(id.arm);
        const std::string& t = name_at(table, row, task);
        const std::string& m = name_at(table, row, metric);
        const double v = number_at(table, row, value, true);
        if (!folder.results[id][t].try_emplace(m, v).second)
            throw file_error(where(table, row, metric), "each metric of a run's task once", "'" + m + "' of " + t + " twice");
        folder.counts[id][t][m] = static_cast<double>(whole_at<std::size_t>(table, row, count));
        if (!std::isfinite(v))
            folder.gaps.push_back(
                {table.at(row, table.column("run")) + ", " + t, m + " is " + (std::isnan(v) ? "not a number" : "infinite")});
    }
}

void read_costs(measured_folder& folder, std::map<std::string, run_id>& names) {
    if (!fs::exists(folder.path / "costs.csv")) return folder.gaps.push_back({"costs.csv", "the file is not there"});
    const csv table = csv::read(folder.path / "costs.csv");
    const run_columns run{table};
    for (std::size_t row = 0; row < table.rows(); ++row) {
        const run_id id = run.at(table, row, names);
        const auto field = [&](std::string_view name) { return number_at(table, row, table.column(name), true); };
        const cost c{
            field("stage1_seconds"), field("train_seconds"),      field("epochs"),     field("macs_per_step"),  field("macs_total"),
            field("parameters"),     field("trained_parameters"), field("peak_bytes"), field("latency_p50_ms"), field("latency_p95_ms")};
        if (!folder.costs.emplace(id, c).second)
            throw file_error(where(table, row, table.column("run")), "each run once", "'" + table.at(row, table.column("run")) + "' twice");
    }
}

void read_curves(measured_folder& folder, const std::map<std::string, run_id>& names) {
    if (!fs::exists(folder.path / "curves.csv")) return folder.gaps.push_back({"curves.csv", "the file is not there"});
    const csv table = csv::read(folder.path / "curves.csv");
    const std::size_t run = table.column("run"), task = table.column("task"), metric = table.column("valid_metric");
    for (std::size_t row = 0; row < table.rows(); ++row) {
        const auto known = names.find(table.at(row, run));
        if (known == names.end()) continue; // a run that has not ended has no results yet
        const double value = number_at(table, row, metric, true);
        if (std::isnan(value)) continue; // not the epoch whose weights were kept
        double& highest = folder.validation[known->second].try_emplace(name_at(table, row, task), value).first->second;
        highest = std::max(highest, value);
    }
}

predictions_by_task read_predictions(const fs::path& file) {
    const csv table = csv::read(file);
    const std::size_t task = table.column("task"), id = table.column("id"), patient = table.column("patient"),
                      truth = table.column("truth"), score = table.column("score"), predicted = table.column("predicted");
    predictions_by_task result;
    std::set<std::pair<std::string, std::string>> seen;
    for (std::size_t row = 0; row < table.rows(); ++row) {
        prediction p{name_at(table, row, id), name_at(table, row, patient), -1, -1, number_at(table, row, score, true)};
        if (table.at(row, truth).empty() != table.at(row, predicted).empty())
            throw file_error(where(table, row, predicted), "a class where there is a true one, and none elsewhere",
                             "'" + table.at(row, predicted) + "'");
        if (!table.at(row, truth).empty()) {
            p.truth = whole_at<int>(table, row, truth);
            p.predicted = whole_at<int>(table, row, predicted);
        }
        const std::string& name = name_at(table, row, task);
        if (!seen.emplace(name, p.id).second)
            throw file_error(where(table, row, id), "each sample of a task once", "'" + p.id + "' of " + name + " twice");
        result[name].push_back(std::move(p));
    }
    for (auto& [name, rows] : result) std::ranges::sort(rows, {}, &prediction::id);
    return result;
}

/// The combinations that experiment.json asks for and no result is there of.
void find_missing_runs(measured_folder& folder) {
    const auto list = [&](const char* name) { return folder.settings.value(name, nlohmann::ordered_json::array()); };
    std::set<std::string> families(folder.families.begin(), folder.families.end());
    for (const auto& [id, tasks] : folder.results) families.insert(id.family);
    for (const std::string& family : families)
        for (const std::string& arm : folder.settings.value("arms", std::vector<std::string>{}))
            for (const auto& labels : list("labels"))
                for (const auto& seed : list("seeds")) {
                    const run_id id{family, arm, labels.get<int>(), seed.get<std::uint64_t>()};
                    if (!folder.results.contains(id))
                        folder.gaps.push_back({id.family + ", " + id.arm, "no results for " + std::to_string(id.labels) + " labels, seed " +
                                                                              std::to_string(id.seed) + ": not run, or not yet"});
                }
}

} // namespace

measured_folder read_folder(const fs::path& path) {
    measured_folder folder;
    folder.path = path;
    const auto settings = umsrep::io::read_bytes(path / "experiment.json");
    try { // of the wrong type, too
        folder.settings = nlohmann::ordered_json::parse(reinterpret_cast<const char*>(settings.data()),
                                                        reinterpret_cast<const char*>(settings.data()) + settings.size());
        folder.families = folder.settings.value("family", std::vector<std::string>{});
        folder.arms = folder.settings.value("arms", std::vector<std::string>{});
    } catch (const nlohmann::json::exception& wrong) {
        throw file_error((path / "experiment.json").string() + ": " + wrong.what());
    }
    std::map<std::string, run_id> names;
    read_results(folder, names);
    read_costs(folder, names);
    read_curves(folder, names);
    try {
        find_missing_runs(folder);
    } catch (const nlohmann::json::exception& wrong) {
        throw file_error((path / "experiment.json").string() + ": labels or seeds: " + wrong.what());
    }
    for (const auto& [name, id] : names) {
        if (!folder.results.contains(id)) continue;
        std::string file = name;
        std::ranges::replace(file, '/', '_');
        if (const fs::path picture = path / "samples" / (file + ".png"); fs::exists(picture)) folder.samples.push_back({id, picture});
        const fs::path predictions = path / "predictions" / (file + ".csv");
        if (fs::exists(predictions)) folder.predictions[id] = read_predictions(predictions);
        else folder.gaps.push_back({name, "no predictions: paired tests leave it out"});
        if (!folder.costs.contains(id)) folder.gaps.push_back({name, "no row in costs.csv"});
    }
    return folder;
}

} // namespace experiment::reporting
