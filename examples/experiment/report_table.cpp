// SPDX-License-Identifier: MIT
#include "report_table.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include <umsrep/io/csv.hpp>

namespace experiment::reporting {

std::string exact(double value) {
    char text[64];
    const auto [end, failure] = std::to_chars(text, text + sizeof text, value);
    return {text, end};
}

std::string shown(double value, const column& how) {
    if (std::isinf(value)) return value > 0 ? "∞" : "−∞";
    if (how.bounded && value > 0 && value < 0.5 * std::pow(10.0, -how.digits)) return "< " + shown(std::pow(10.0, -how.digits), how);
    char text[400];
    std::snprintf(text, sizeof text, "%.*f", how.digits, std::abs(value * how.scale));
    std::string digits = text;
    const bool zero = digits.find_first_not_of("0.") == std::string::npos;
    const std::size_t point = std::min(digits.find('.'), digits.size());
    if (point > 4)
        for (std::size_t i = point; i > 3; i -= 3)
            if (i - 3 > 0) digits.insert(i - 3, "\u202f");
    return (zero ? "" : value < 0 ? "−" : how.sign ? "+" : "") + digits;
}

std::string escaped(std::string_view text) {
    std::string result;
    for (const char c : text) {
        switch (c) {
            case '&':
                result += "&amp;";
                break;
            case '<':
                result += "&lt;";
                break;
            case '>':
                result += "&gt;";
                break;
            case '"':
                result += "&quot;";
                break;
            default:
                result += c;
        }
    }
    return result;
}

namespace {

column adapted(column how, const cell& value) {
    if (value.digits >= 0) how.digits = value.digits;
    return how;
}

} // namespace

std::string html(const data_table& table, std::string_view id) {
    // The roles keep what a narrow screen's layout (rows as blocks) would take from the elements.
    std::string out = "<table role=\"table\" id=\"" + (id.empty() ? table.id : std::string{id}) + "\"><caption>" + escaped(table.caption) +
                      " <a href=\"report/" + table.id + ".csv\">CSV</a></caption>\n<thead role=\"rowgroup\"><tr role=\"row\">";
    const std::size_t first = table.grouped ? 1 : 0;
    const auto numeric = [&](std::size_t c) { return !table.rows.empty() && table.rows.front()[c].numeric; };
    for (std::size_t c = first; c < table.columns.size(); ++c)
        out += "<th role=\"columnheader\" scope=\"col\"" + std::string(numeric(c) ? " class=\"n\"" : "") + ">" +
               escaped(table.columns[c].title) + "</th>";
    out += "</tr></thead>\n<tbody role=\"rowgroup\">\n";
    const std::string* group = nullptr;
    for (const auto& row : table.rows) {
        if (table.grouped && (group == nullptr || *group != row[0].text)) {
            group = &row[0].text;
            out += "<tr role=\"row\" class=\"group\"><th role=\"rowheader\" scope=\"rowgroup\" colspan=\"" +
                   std::to_string(table.columns.size() - 1) + "\">" + escaped(*group) + "</th></tr>\n";
        }
        out += "<tr role=\"row\">";
        for (std::size_t c = first; c < row.size(); ++c) {
            const cell& value = row[c];
            const column& how = table.columns[c];
            const std::string label = " data-label=\"" + escaped(how.title) + "\"";
            if (c == first && !value.numeric) out += "<th role=\"rowheader\" scope=\"row\">" + escaped(value.text) + "</th>";
            else if (!value.numeric) out += "<td role=\"cell\"" + label + "><span>" + escaped(value.text) + "</span></td>";
            else if (value.missing())
                out += "<td role=\"cell\" class=\"n missing\"" + label + "><span>" + escaped(value.text) + "</span></td>";
            else
                out += "<td role=\"cell\" class=\"n\"" + label + "><data value=\"" + exact(value.number) + "\">" +
                       escaped(shown(value.number, adapted(how, value))) + "</data></td>";
        }
        out += "</tr>\n";
    }
    if (table.rows.empty())
        out += "<tr role=\"row\"><td role=\"cell\" class=\"missing\" colspan=\"" + std::to_string(table.columns.size()) +
               "\">nothing was measured</td></tr>\n";
    return out + "</tbody></table>\n";
}

nlohmann::ordered_json json(const data_table& table) {
    nlohmann::ordered_json rows = nlohmann::ordered_json::array();
    for (const auto& row : table.rows) {
        nlohmann::ordered_json object;
        for (std::size_t c = 0; c < row.size(); ++c) {
            auto& value = object[table.columns[c].id];
            if (!row[c].numeric) value = row[c].text;
            else if (std::isfinite(row[c].number)) value = row[c].number;
            else if (std::isinf(row[c].number)) value = row[c].number > 0 ? "inf" : "-inf"; // JSON has no infinity
        }
        rows.push_back(std::move(object));
    }
    return {{"caption", table.caption}, {"rows", std::move(rows)}};
}

void write_csv(const std::filesystem::path& folder, const data_table& table) {
    std::vector<std::string> columns;
    for (const column& c : table.columns) columns.push_back(c.id);
    std::vector<std::vector<std::string>> rows;
    for (const auto& row : table.rows) {
        rows.emplace_back();
        for (const cell& c : row) rows.back().push_back(!c.numeric ? c.text : c.missing() ? "" : exact(c.number));
    }
    umsrep::io::write_csv(folder / (table.id + ".csv"), columns, rows);
}

} // namespace experiment::reporting
