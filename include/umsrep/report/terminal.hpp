// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <ostream>
#include <string_view>

#if defined(_WIN32)
#include <io.h>
#else
#include <sys/ioctl.h>
#include <unistd.h>
#endif

namespace umsrep::report {

/// What is known of the place a text goes to.
struct terminal {
    bool interactive = false; ///< a person's terminal, on which a line can be written over
    bool colour = false;      ///< escape sequences for colours are welcome
    int width = 80;           ///< columns
};

/// Asks the system about a C stream. Not interactive when it is a file or pipe, or TERM is "dumb"; no colour when NO_COLOR is set
/// and not empty (https://no-color.org); the width is the window's, else COLUMNS, else 80.
inline terminal terminal_of(std::FILE* file) {
    const auto variable = [](const char* name) {
        const char* value = std::getenv(name);
        return std::string_view{value != nullptr ? value : ""};
    };
    terminal result;
    if (const int columns = std::atoi(variable("COLUMNS").data()); columns > 0) result.width = columns;
#if defined(_WIN32)
    result.interactive = _isatty(_fileno(file)) != 0;
#else
    result.interactive = isatty(fileno(file)) != 0 && variable("TERM") != "dumb";
    winsize window{};
    if (result.interactive && ioctl(fileno(file), TIOCGWINSZ, &window) == 0 && window.ws_col > 0) result.width = window.ws_col;
#endif
    result.colour = result.interactive && variable("NO_COLOR").empty();
    return result;
}

/// The same for std::cout, std::cerr and std::clog; any other stream is taken for a file.
inline terminal terminal_of(const std::ostream& stream) {
    if (&stream == &std::cout) return terminal_of(stdout);
    if (&stream == &std::cerr || &stream == &std::clog) return terminal_of(stderr);
    return {};
}

/// Columns that a UTF-8 text takes, one for each code point (enough for names; wide and combining characters are not counted).
constexpr std::size_t columns_of(std::string_view text) {
    std::size_t count = 0;
    for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    return count;
}

/// The first `columns` columns of a UTF-8 text; never half a code point.
constexpr std::string_view first_columns(std::string_view text, std::size_t columns) {
    std::size_t end = 0;
    for (; end < text.size(); ++end)
        if ((static_cast<unsigned char>(text[end]) & 0xC0) != 0x80 && columns-- == 0) break;
    return text.substr(0, end);
}

} // namespace umsrep::report
