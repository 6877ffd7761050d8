// SPDX-License-Identifier: MIT
#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <ostream>
#include <span>
#include <string>

#include <umsrep/core/error.hpp>
#include <umsrep/io/atomic_file.hpp>

#include "report_page.hpp"
#include "report_tables.hpp"

namespace experiment {

using namespace reporting;

namespace {

/// Of few resamples the smallest p is not small, and Holm multiplies it by the number of tests. Empty where significance can be found.
std::string resolution(std::span<const comparison> all, int resamples) {
    const auto tests = std::ranges::count_if(all, [](const comparison& c) { return !std::isnan(c.difference.p); });
    const double smallest = 2.0 / (resamples + 1), after_holm = smallest * static_cast<double>(tests);
    if (after_holm <= significance) return {};
    const column digits{.id = "", .title = "", .digits = 4};
    return ". Nothing can be significant here: " + std::to_string(resamples) + " resamples give no p below " +
           shown(smallest, digits) + ", which is " + shown(std::min(1.0, after_holm), digits) + " after Holm over " +
           std::to_string(tests) + " tests; experiment report --resamples takes more";
}

content content_of(const study& of, const report_options& options) {
    content c;
    const int resamples = options.resamples;
    const std::uint64_t seed = options.seed;
    const std::vector<comparison> all = comparisons(of, resamples, seed);
    c.judged = judge(of, resamples, seed);
    c.verdicts = verdict_table(c.judged);
    c.paper_5 = paper_table_5(of);
    c.paper_7 = paper_table_7(of);
    c.curves = learning_curves(of, resamples, seed);
    c.ranks = ranking(of);
    c.controls = controls(of, resamples, seed);
    c.best = comparison_table("best_arms",
                              "The best arm of each task, chosen on validation images, against separate models at the largest "
                              "label budget; Holm over these rows" +
                                  resolution(c.judged.best, resamples),
                              c.judged.best);
    c.all_comparisons = comparison_table(
        "comparisons", "All arms against separate models; Holm over all of these rows" + resolution(all, resamples), all);
    c.costs = cost_table(of);
    c.quantities = quantities(of);
    c.shifted = shifted(of);
    c.figures = figures(of);
    c.gaps = gap_table(of, all);
    return c;
}

void write_text(const std::filesystem::path& file, const std::string& text) {
    umsrep::io::write_atomically(file, [&](std::ostream& out) { out << text; });
}

} // namespace

int report(const report_options& options) {
    const measured_folder folder = read_folder(options.folder);
    const study of{folder};
    const content c = content_of(of, options);

    const std::filesystem::path tables = options.folder / "report";
    std::error_code failure;
    std::filesystem::create_directories(tables, failure);
    if (failure) throw umsrep::file_error(tables.string() + ": cannot be made: " + failure.message());
    nlohmann::ordered_json json{{"experiment", folder.settings}};
    for (const data_table* table : c.tables()) {
        write_csv(tables, *table);
        json[table->id] = reporting::json(*table);
    }
    write_text(options.folder / "report.json", json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    write_text(options.folder / "report.html", page(of, c, options.resamples));

    for (const verdict& v : c.judged.verdicts) std::cout << to_string(v.is) << ": " << v.criterion << '\n';
    if (!c.gaps.rows.empty()) std::cout << c.gaps.rows.size() << " things are missing; the page lists them\n";
    std::cout << (options.folder / "report.html").string() << '\n';
    return 0;
}

} // namespace experiment
