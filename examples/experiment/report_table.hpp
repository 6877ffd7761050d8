// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace experiment::reporting {

/// A text, a number, or why there is no number.
struct cell {
    cell(std::string words) : text{std::move(words)} {}
    cell(const char* words) : text{words} {}
    cell(double value, std::string otherwise = "missing") : text{std::move(otherwise)}, number{value}, numeric{true} {}

    bool missing() const { return numeric && std::isnan(number); }

    std::string text; ///< of a number: what stands in its place when it is NaN
    double number = 0;
    bool numeric = false;
    int digits = -1; ///< on the page, where not those of the column
};

struct column {
    std::string id;       ///< in CSV and JSON
    std::string title;    ///< on the page, with the unit
    int digits = 0;       ///< behind the point, on the page only
    bool sign = false;    ///< a plus before positive numbers
    double scale = 1;     ///< the page shows the number times this
    bool bounded = false; ///< a number so small that all digits would be 0 is shown as below the last digit: a p-value
};

/// One table of the page, the same in CSV and JSON, where numbers have all their digits and what is missing is empty or null.
struct data_table {
    std::string id; ///< the name of its CSV file
    std::string caption;
    std::vector<column> columns;
    std::vector<std::vector<cell>> rows;
    bool grouped = false; ///< rows with the same first cell stand under it as a heading
};

/// The shortest text that reads back as the same number.
std::string exact(double value);
/// For the page: so many digits, a minus sign for negative numbers, thin spaces between thousands.
std::string shown(double value, const column& how);

/// `text` for HTML text and attributes.
std::string escaped(std::string_view text);

/// With links to the CSV file; `id` instead of the table's own where a page holds several parts of it.
std::string html(const data_table& table, std::string_view id = {});
nlohmann::ordered_json json(const data_table& table);
/// Writes FOLDER/ID.csv. @throws umsrep::file_error
void write_csv(const std::filesystem::path& folder, const data_table& table);

} // namespace experiment::reporting
