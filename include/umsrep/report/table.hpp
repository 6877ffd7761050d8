// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/report/terminal.hpp>

namespace umsrep::report {

/// A number with `digits` decimals; "-" when it is NaN: not known.
inline std::string number(double value, int digits = 3) {
    if (std::isnan(value)) return "-";
    char text[400]; // the longest double has 309 digits before the point
    std::snprintf(text, sizeof text, "%.*f", std::clamp(digits, 0, 60), value);
    return text;
}

enum class align { left, right };

struct column {
    std::string name;
    align side = align::left;
};

/// A small table of text: a heading, a rule, rows; columns two spaces apart.
///
///     table t{{{"head"}, {"dice", align::right}}};
///     t.add({"lungs", number(0.9312)});
///     std::cout << t;
class table {
public:
    /// @throws option_error when there is no column
    explicit table(std::vector<column> columns) : columns_{std::move(columns)} {
        if (columns_.empty()) throw option_error("table", "at least 1 column", "0");
    }

    /// @throws shape_mismatch when the number of cells is not that of the columns
    void add(std::vector<std::string> row) {
        if (row.size() != columns_.size())
            throw shape_mismatch("table row", std::to_string(columns_.size()) + " cells", std::to_string(row.size()));
        rows_.push_back(std::move(row));
    }

    std::size_t rows() const { return rows_.size(); }

    /// The whole table, each line with its line end and without blanks before it.
    std::string text() const {
        std::vector<std::size_t> widths;
        for (std::size_t c = 0; c < columns_.size(); ++c) {
            widths.push_back(columns_of(columns_[c].name));
            for (const auto& row : rows_) widths[c] = std::max(widths[c], columns_of(row[c]));
        }
        std::string result;
        const auto line = [&](auto&& cell) {
            std::string text;
            for (std::size_t c = 0; c < columns_.size(); ++c) {
                const std::string& value = cell(c);
                const std::string blank(widths[c] - columns_of(value), ' ');
                text += (c > 0 ? "  " : "") + (columns_[c].side == align::left ? value + blank : blank + value);
            }
            text.erase(text.find_last_not_of(' ') + 1);
            result += text + "\n";
        };
        line([&](std::size_t c) -> const std::string& { return columns_[c].name; });
        std::vector<std::string> rule;
        for (const std::size_t width : widths) rule.emplace_back(width, '-');
        line([&](std::size_t c) -> const std::string& { return rule[c]; });
        for (const auto& row : rows_) line([&](std::size_t c) -> const std::string& { return row[c]; });
        return result;
    }

    friend std::ostream& operator<<(std::ostream& out, const table& t) { return out << t.text(); }

private:
    std::vector<column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

} // namespace umsrep::report
