// SPDX-License-Identifier: MIT
#include "report_page.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <map>

#include <umsrep/core/error.hpp>
#include <umsrep/io/read_bytes.hpp>

#include "report_chart.hpp"
#include "report_style.hpp"
#include "report_tables.hpp"
#include "report_text.hpp"

namespace experiment::reporting {

namespace {

std::string base64(const std::vector<std::byte>& bytes) {
    constexpr const char* digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string result;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (i + k < bytes.size() ? std::to_integer<std::uint32_t>(bytes[i + k]) : 0);
        for (std::size_t k = 0; k < 4; ++k) result += i + k > bytes.size() ? '=' : digits[group >> (18 - 6 * k) & 63];
    }
    return result;
}

std::string heading(const char* id, const char* title) { return "<h2 id=\"" + std::string{id} + "\">" + title + "</h2>\n"; }

std::string cards(const data_table& table, std::string_view id = {}) { return "<div class=\"cards\">" + html(table, id) + "</div>\n"; }

std::string folded(const std::string& summary, const std::string& content) {
    return "<details><summary>" + escaped(summary) + "</summary>\n" + content + "</details>\n";
}

/// experiment.json, one line a setting.
std::string settings(const nlohmann::ordered_json& json) {
    std::string out = "<dl class=\"settings\">";
    for (const auto& [name, value] : json.items()) {
        std::string words;
        if (value.is_string()) words = value.get<std::string>();
        else if (value.is_array())
            for (const auto& v : value) words += (words.empty() ? "" : ", ") + (v.is_string() ? v.get<std::string>() : v.dump());
        else if (value.is_object())
            for (const auto& [key, v] : value.items())
                words += (words.empty() ? "" : ", ") + key + " " + (v.is_string() ? v.get<std::string>() : v.dump());
        else words = value.dump();
        std::string title = name;
        std::ranges::replace(title, '_', ' ');
        out += "<div><dt>" + escaped(title) + "</dt><dd>" + escaped(words) + "</dd></div>";
    }
    return out + "</dl>\n";
}

std::string verdicts(const judgement& j) {
    std::array<std::size_t, 3> counts{};
    std::string list = "<ol class=\"verdicts\">";
    for (const verdict& v : j.verdicts) {
        ++counts[static_cast<std::size_t>(v.is)];
        constexpr std::array classes{"reproduced", "not-reproduced", "not-judged"};
        std::string words = to_string(v.is);
        words[0] = static_cast<char>(words[0] - 'a' + 'A');
        list += "<li class=\"" + std::string{classes[static_cast<std::size_t>(v.is)]} + "\"><p><strong>" + words + "</strong> " +
                escaped(v.criterion) + ".</p><p class=\"soft\">" + escaped(v.evidence) + "</p></li>\n";
    }
    return "<p>Of " + std::to_string(j.verdicts.size()) + " criteria " + std::to_string(counts[0]) + " reproduced, " +
           std::to_string(counts[1]) + " did not, and " + std::to_string(counts[2]) +
           " cannot be judged from this folder. <a href=\"report/verdicts.csv\">CSV</a></p>\n" + list + "</ol>\n";
}

/// The table's rows of one task, without the column that tells it.
data_table rows_of(const data_table& table, const std::string& group) {
    data_table part{table.id, group + ": " + table.caption, table.columns, {}, true};
    std::ranges::copy_if(table.rows, std::back_inserter(part.rows), [&](const auto& row) { return row[0].text == group; });
    return part;
}

/// Separate models and the paper's arms with the controls first; then the others, each time with separate models to compare with.
std::vector<std::vector<std::string>> charted(const std::vector<std::string>& arms) {
    const std::array main{"separate", "independent-all", "alternating-all", "joint-all", "joint-frozen", "joint-scratch", "separate-other"};
    std::vector<std::vector<std::string>> groups(1);
    for (const char* name : main)
        if (std::ranges::find(arms, name) != arms.end()) groups[0].push_back(name);
    for (const std::string& arm : arms) {
        if (std::ranges::find(main, arm) != main.end()) continue;
        if (groups.size() == 1 || groups.back().size() == chart_styles) groups.push_back({"separate"});
        groups.back().push_back(arm);
    }
    if (groups[0].empty()) groups.erase(groups.begin());
    return groups;
}

std::string curves(const study& of, const data_table& table) {
    std::string out;
    int id = 0;
    for (const std::string& family : of.families()) {
        out += "<h3>" + escaped(family) + "</h3>\n";
        for (const auto& arms : charted(of.arms(family))) {
            out += legend(arms) + "<div class=\"charts\">\n";
            for (const task_of& t : of.tasks(family)) {
                chart c{"chart" + std::to_string(++id), t.name + ": " + t.title() + " over labels per task", t.title(), {}};
                for (const std::string& arm : arms) {
                    chart_series& s = c.series.emplace_back(chart_series{arm, {}});
                    for (const auto& row : table.rows) // task, arm, labels, figure, value, low, high
                        if (row[0].text == family + ": " + t.name && row[1].text == arm)
                            s.points.push_back({row[2].number, row[4].number, row[5].number, row[6].number});
                }
                out += "<figure>" + svg(c) + "<figcaption>" + escaped(t.name) + "</figcaption></figure>\n";
            }
            out += "</div>\n";
        }
        for (const task_of& t : of.tasks(family))
            out += folded("Numbers of " + t.name, cards(rows_of(table, family + ": " + t.name), "learning_curves_" + std::to_string(++id)));
    }
    return out;
}

std::string png_data(const std::filesystem::path& file) {
    const std::vector<std::byte> bytes = umsrep::io::read_bytes(file);
    constexpr std::array<unsigned char, 8> signature{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    const auto same = [](unsigned char s, std::byte b) { return s == std::to_integer<unsigned char>(b); };
    if (bytes.size() < signature.size() || !std::equal(signature.begin(), signature.end(), bytes.begin(), same))
        throw umsrep::file_error(file.string(), "a PNG image", "something else");
    return base64(bytes);
}

/// Of the paper's arms at the largest budget of each family; a picture of every run would make a page of many megabytes.
std::string samples(const study& of) {
    std::string out;
    std::size_t others = 0;
    for (const auto& [run, file] : of.folder().samples) {
        constexpr std::array arms{"separate", "independent-all", "alternating-all", "joint-all"};
        if (run.labels != of.budgets(run.family).back() || std::ranges::find(arms, run.arm) == arms.end()) {
            ++others;
            continue;
        }
        const std::string what =
            escaped(run.family + ", " + run.arm + ", " + std::to_string(run.labels) + " labels, seed " + std::to_string(run.seed));
        out += "<figure><img alt=\"Test images, a row each, beside what the networks made of them: " + what +
               "\" src=\"data:image/png;base64," + png_data(file) + "\"><figcaption>" + what + "</figcaption></figure>\n";
    }
    if (out.empty()) out = "<p class=\"missing\">No pictures of the paper's arms at the largest label budget.</p>\n";
    else out = text::samples + ("<div class=\"samples\">\n" + out) + "</div>\n";
    return others == 0 ? out
                       : out + "<p>" + std::to_string(others) + " more, of other arms and budgets, are in <code>samples/</code>.</p>\n";
}

std::string words(int resamples) {
    std::string out = text::words;
    const auto put = [&](const std::string& name, const std::string& value) { out.replace(out.find(name), name.size(), value); };
    put("RESAMPLES", std::to_string(resamples));
    put("SEEDS", std::to_string(seeds_needed));
    return out;
}

std::string missing(const data_table& gaps) {
    if (gaps.rows.empty()) return "<p>Nothing: every run that was asked for is there.</p>\n";
    const std::string list = html(gaps);
    return "<p>" + std::to_string(gaps.rows.size()) + " entries: not there, no number, or in contradiction.</p>\n" +
           (gaps.rows.size() > 12 ? folded("Show them", list) : list);
}

} // namespace

std::string page(const study& of, const content& c, int resamples) {
    std::string out = text::head;
    out += "<style>" + std::string{style} + "</style></head>\n<body>\n";
    out += "<header>" + (text::title + settings(of.folder().settings)) + text::navigation + "</header>\n<main>\n";
    out += heading("verdict", "Did the paper reproduce?") + verdicts(c.judged);
    out += heading("paper", "The paper's tables beside ours") + text::paper + html(c.paper_5) + html(c.paper_7);
    out += heading("curves", "How many labels does it take?") + text::curves + curves(of, c.curves);
    out += heading("ranks", "Ranking of the strategies") + html(c.ranks);
    out += heading("gains", "Where gains come from") + text::gains + cards(c.controls);
    out += heading("tests", "Is it more than chance?") + cards(c.best);
    out += folded("Every arm against separate models, every budget", cards(c.all_comparisons));
    out += heading("cost", "What it costs") + text::cost + cards(c.costs);
    out += heading("tasks", "All figures") + text::figures;
    int id = 0;
    for (const task_of& t : of.tasks())
        out += folded(t.family + ": " + t.name, cards(figures_of(of, t), "figures_" + std::to_string(++id)));
    if (!c.quantities.rows.empty()) out += heading("velocities", "Peak velocity and velocity-time integral") + cards(c.quantities);
    if (!c.shifted.rows.empty()) out += heading("machines", "On another machine's images") + folded("Show them", cards(c.shifted));
    out += heading("samples", "Samples") + samples(of);
    out += heading("gaps", "What is missing") + missing(c.gaps);
    out += heading("words", "How to read it") + words(resamples) + "</main>\n";
    return out + text::foot;
}

} // namespace experiment::reporting
