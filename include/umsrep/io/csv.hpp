// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/io/atomic_file.hpp>
#include <umsrep/io/read_bytes.hpp>

namespace umsrep::io {

/// A table of texts with named columns. Source: RFC 4180, plus what files in the wild bring: LF or CRLF, a byte order mark, blank
/// lines, spaces around column names.
class csv {
public:
    /// Throws file_error naming the file and line: an open quote, text behind a closed one, a row of another length, a column
    /// named twice, no header.
    static csv read(const std::filesystem::path& path) {
        const std::vector<std::byte> bytes = read_bytes(path);
        return parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
    }

    /// The same from memory; `file` is the name that errors carry.
    static csv parse(std::string_view text, std::string file) {
        csv table;
        table.file_ = std::move(file);
        if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
        for (std::size_t line = 1; !text.empty();) {
            const std::size_t first_line = line;
            std::vector<std::string> row = table.take_row(text, line);
            if (row.size() == 1 && row.front().empty()) continue;
            if (table.columns_.empty()) {
                table.set_columns(std::move(row));
            } else if (row.size() != table.columns_.size()) {
                throw file_error(table.where(first_line), std::to_string(table.columns_.size()) + " fields",
                                 std::to_string(row.size()));
            } else {
                table.rows_.push_back(std::move(row));
                table.lines_.push_back(first_line);
            }
        }
        if (table.columns_.empty()) throw file_error(table.file_, "a line of column names", "an empty file");
        return table;
    }

    const std::vector<std::string>& columns() const { return columns_; }
    std::size_t rows() const { return rows_.size(); }

    /// Throws file_error naming the file and the column that is missing.
    std::size_t column(std::string_view name) const {
        if (const auto found = find_column(name)) return *found;
        std::string known;
        for (const std::string& c : columns_) known += (known.empty() ? "" : ", ") + c;
        throw file_error(file_, "a column '" + std::string{name} + "'", known);
    }

    std::optional<std::size_t> find_column(std::string_view name) const {
        const auto found = std::ranges::find(columns_, name);
        return found == columns_.end() ? std::nullopt : std::optional{static_cast<std::size_t>(found - columns_.begin())};
    }

    const std::string& at(std::size_t row, std::size_t column) const { return rows_.at(row).at(column); }

    /// "FILE: line 12", for messages about a row.
    std::string where_row(std::size_t row) const { return where(lines_.at(row)); }

private:
    std::string where(std::size_t line) const { return file_ + ": line " + std::to_string(line); }

    void set_columns(std::vector<std::string> names) {
        for (std::string& name : names) {
            const std::size_t first = name.find_first_not_of(" \t"), last = name.find_last_not_of(" \t");
            name = first == std::string::npos ? "" : name.substr(first, last - first + 1);
            if (!name.empty() && find_column(name)) throw file_error(file_ + ": column '" + name + "'", "it once", "it twice");
            columns_.push_back(std::move(name));
        }
    }

    /// Takes one record off the text and counts the lines that it spans.
    std::vector<std::string> take_row(std::string_view& text, std::size_t& line) const {
        std::vector<std::string> row;
        while (true) {
            row.push_back(take_field(text, line));
            if (text.empty()) return row;
            const char separator = text.front();
            text.remove_prefix(1);
            if (separator == ',') continue;
            if (separator == '\r' && text.starts_with('\n')) text.remove_prefix(1);
            ++line;
            return row;
        }
    }

    /// Leaves the text at its separator: a comma, the end of a line, or the end of the text.
    std::string take_field(std::string_view& text, std::size_t& line) const {
        std::string field;
        if (!text.starts_with('"')) {
            const std::size_t end = std::min(text.find_first_of(",\r\n"), text.size());
            field = text.substr(0, end);
            text.remove_prefix(end);
            return field;
        }
        const std::size_t opened = line;
        text.remove_prefix(1);
        while (true) {
            const std::size_t quote = text.find('"');
            if (quote == std::string_view::npos) throw file_error(where(opened), "a closing quote", "the end of the file");
            field += text.substr(0, quote);
            line += static_cast<std::size_t>(std::ranges::count(text.substr(0, quote), '\n'));
            text.remove_prefix(quote + 1);
            if (!text.starts_with('"')) break;
            field += '"';
            text.remove_prefix(1);
        }
        if (!text.empty() && std::string_view{",\r\n"}.find(text.front()) == std::string_view::npos) {
            throw file_error(where(line), "a comma or the end of the line after a closing quote", "more text");
        }
        return field;
    }

    std::string file_;
    std::vector<std::string> columns_;
    std::vector<std::vector<std::string>> rows_;
    std::vector<std::size_t> lines_;
};

/// One row, quoted where it must be, ended by LF.
inline void write_csv_row(std::ostream& out, std::span<const std::string> fields) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
        if (i > 0) out << ',';
        const std::string& field = fields[i];
        // A lone empty field would read as a blank line.
        if (field.find_first_of(",\"\r\n") == std::string::npos && !(field.empty() && fields.size() == 1)) {
            out << field;
            continue;
        }
        out << '"';
        for (const char c : field) out << (c == '"' ? "\"\"" : std::string(1, c));
        out << '"';
    }
    out << '\n';
}

/// Atomic. Throws option_error when a row has not as many fields as there are columns, file_error when it cannot be written.
inline void write_csv(const std::filesystem::path& path, std::span<const std::string> columns,
                      std::span<const std::vector<std::string>> rows) {
    for (const auto& row : rows) {
        if (row.size() != columns.size()) {
            throw option_error(path.string(), std::to_string(columns.size()) + " fields in a row", std::to_string(row.size()));
        }
    }
    write_atomically(path, [&](std::ostream& out) {
        write_csv_row(out, columns);
        for (const auto& row : rows) write_csv_row(out, row);
    });
}

} // namespace umsrep::io
