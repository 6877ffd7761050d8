// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include <sys/stat.h>

#include <umsrep/core/atomic_file.hpp>

#include "../support/disk_full.hpp"
#include "../support/message_of.hpp"
#include "../support/temporary_folder.hpp"

using namespace umsrep;
using test::message_of;
using test::one_line_naming;

namespace {
std::string content(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>{file}, {}};
}
} // namespace

TEST_CASE("an atomically written file holds exactly what was written") {
    test::temporary_folder folder;
    const std::string large(200'000, 'x');
    write_atomically(folder / "a.txt", [&](std::ostream& out) { out << "line " << 1 << '\n' << large << large << '!'; });
    CHECK(content(folder / "a.txt") == "line 1\n" + large + large + "!");

    write_atomically(folder / "a.txt", std::as_bytes(std::span{large}));
    CHECK(content(folder / "a.txt") == large);
    CHECK(folder.files() == 1);
}

TEST_CASE("a writer that throws leaves the earlier file and no temporary") {
    test::temporary_folder folder;
    write_atomically(folder / "a.txt", [](std::ostream& out) { out << "earlier"; });
    CHECK_THROWS_AS(write_atomically(folder / "a.txt",
                                         [](std::ostream& out) {
                                             out << "half of" << std::flush;
                                             throw std::runtime_error("stop");
                                         }),
                    std::runtime_error);
    CHECK(content(folder / "a.txt") == "earlier");
    CHECK(folder.files() == 1);
}

TEST_CASE("a full disk is one line naming the file, and leaves the earlier file and no temporary") {
    test::temporary_folder folder;
    write_atomically(folder / "a.txt", [](std::ostream& out) { out << "earlier"; });
    const std::string large(200'000, 'x');
    std::string by_stream, by_bytes;
    {
        test::disk_full full{100'000};
        by_stream = message_of<file_error>([&] {
            write_atomically(folder / "a.txt", [&](std::ostream& out) {
                for (const char c : large) out << c;
            });
        });
        by_bytes = message_of<file_error>([&] { write_atomically(folder / "a.txt", std::as_bytes(std::span{large})); });
    }
    for (const std::string& message : {by_stream, by_bytes}) {
        INFO(message);
        CHECK(one_line_naming(message, (folder / "a.txt").string()));
        CHECK(message.find("cannot be written") != std::string::npos);
    }
    CHECK(content(folder / "a.txt") == "earlier");
    CHECK(folder.files() == 1);
}

TEST_CASE("a destination that cannot be written is named") {
    test::temporary_folder folder;
    const auto write = [](std::ostream& out) { out << "text"; };
    for (const auto& destination : {folder / "absent" / "a.txt", folder.path(), std::filesystem::path{"/dev/full"}}) {
        const std::string message = message_of<file_error>([&] { write_atomically(destination, write); });
        INFO(message);
        CHECK(one_line_naming(message, destination.string()));
    }
    CHECK(folder.files() == 0);
}

TEST_CASE("a link stays a link and the file behind it is replaced; permissions of the earlier file are kept") {
    test::temporary_folder folder;
    std::filesystem::create_directory(folder / "behind");
    write_atomically(folder / "behind" / "a.txt", [](std::ostream& out) { out << "earlier"; });
    std::filesystem::permissions(folder / "behind" / "a.txt", std::filesystem::perms{0640});
    std::filesystem::create_symlink(folder / "behind" / "a.txt", folder / "link");
    write_atomically(folder / "link", [](std::ostream& out) { out << "new"; });
    CHECK(std::filesystem::is_symlink(folder / "link"));
    CHECK(content(folder / "behind" / "a.txt") == "new");
    CHECK(std::filesystem::status(folder / "behind" / "a.txt").permissions() == std::filesystem::perms{0640});
}
