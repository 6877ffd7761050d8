// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <umsrep/core/random.hpp>
#include <umsrep/io/csv.hpp>

#include "../support/disk_full.hpp"
#include "../support/message_of.hpp"
#include "../support/temporary_folder.hpp"

using namespace umsrep;
using io::csv;
using test::message_of;
using test::one_line_naming;

TEST_CASE("quoted fields hold commas, quotes and line ends") {
    const csv table = csv::parse("file,note\r\na.png,\"one, \"\"two\"\"\r\nthree\"\r\n\"b.png\",\r\n", "t.csv");
    REQUIRE(table.rows() == 2);
    CHECK(table.columns() == std::vector<std::string>{"file", "note"});
    CHECK(table.at(0, 1) == "one, \"two\"\r\nthree");
    CHECK(table.at(1, table.column("file")) == "b.png");
    CHECK(table.at(1, 1).empty());
    CHECK(table.where_row(0) == "t.csv: line 2");
    CHECK(table.where_row(1) == "t.csv: line 4");
}

TEST_CASE("byte order mark, blank lines, LF, lone CR, spaces around names and a missing last line end are taken") {
    const csv table = csv::parse(
        "\xef\xbb\xbf"
        "a, b\n\n1,2\r3,4\n\n5,6",
        "t.csv");
    CHECK(table.columns() == std::vector<std::string>{"a", "b"});
    REQUIRE(table.rows() == 3);
    CHECK(table.at(2, 1) == "6");
    CHECK(csv::parse("a\n", "t.csv").rows() == 0);
    CHECK_FALSE(table.find_column("c").has_value());
}

TEST_CASE("a damaged table is one line naming file and line") {
    const struct {
        const char* text;
        const char* where;
    } cases[] = {
        {"", "t.csv"},
        {"\n\n", "t.csv"},
        {"a,b\n1,2\n3\n", "t.csv: line 3"},
        {"a,b\n1,2,3\n", "t.csv: line 2"},
        {"a,b\n1,\"2\n3,4\n", "t.csv: line 2"},
        {"a,b\n\"1\"x,2\n", "t.csv: line 2"},
        {"a,b,a\n", "t.csv: column 'a'"},
    };
    for (const auto& [text, where] : cases) {
        const std::string message = message_of<file_error>([&] { csv::parse(text, "t.csv"); });
        INFO(message);
        CHECK(one_line_naming(message, where));
    }
    const std::string message = message_of<file_error>([] { csv::parse("a,b\n", "t.csv").column("mask"); });
    CHECK(message == "t.csv: expected a column 'mask', got a, b");
}

TEST_CASE("whatever is written is read back") {
    test::temporary_folder folder;
    random_stream random{seed{8}, "csv"};
    const std::string alphabet = "ab ,\"\n\r;'\xc3";
    for (int run = 0; run < 100; ++run) {
        const std::size_t columns = 1 + random.below(4);
        std::vector<std::string> names;
        for (std::size_t c = 0; c < columns; ++c) names.push_back("column " + std::to_string(c));
        std::vector<std::vector<std::string>> rows(random.below(5), std::vector<std::string>(columns));
        for (auto& row : rows) {
            for (auto& field : row) {
                for (std::uint32_t n = random.below(6); n > 0; --n) field += alphabet[random.below(10)];
            }
        }
        io::write_csv(folder / "t.csv", names, rows);
        const csv table = csv::read(folder / "t.csv");
        INFO("run " << run);
        CHECK(table.columns() == names);
        // A row of one empty field reads as a blank line, whether quoted or not: it holds nothing.
        if (columns == 1) std::erase(rows, std::vector<std::string>{""});
        REQUIRE(table.rows() == rows.size());
        for (std::size_t r = 0; r < rows.size(); ++r) {
            for (std::size_t c = 0; c < columns; ++c) CHECK(table.at(r, c) == rows[r][c]);
        }
    }
    CHECK_THROWS_AS(
        io::write_csv(folder / "t.csv", std::vector<std::string>{"a"}, std::vector<std::vector<std::string>>{{"1", "2"}}),
        option_error);
}

TEST_CASE("a history that does not fit on the disk leaves the earlier one") {
    test::temporary_folder folder;
    const std::vector<std::string> names{"loss"};
    io::write_csv(folder / "history.csv", names, std::vector<std::vector<std::string>>{{"0.5"}});
    {
        test::disk_full full{1000};
        const std::vector<std::vector<std::string>> rows(10'000, {"0.25"});
        CHECK(one_line_naming(message_of<file_error>([&] { io::write_csv(folder / "history.csv", names, rows); }),
                              (folder / "history.csv").string()));
    }
    CHECK(csv::read(folder / "history.csv").at(0, 0) == "0.5");
    CHECK(folder.files() == 1);
}
