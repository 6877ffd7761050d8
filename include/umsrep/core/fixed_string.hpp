// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace umsrep {

/// A string literal as a template argument: `stage<"e1", ...>`.
/// Names stay on the host side of the library; they never reach a kernel's template arguments.
template <std::size_t N>
struct fixed_string {
    char text[N]{};

    consteval fixed_string(const char (&literal)[N]) { std::copy_n(literal, N, text); }

    /// From `N - 1` characters computed by a constexpr function; used to print a name inside a type.
    static consteval fixed_string from(std::string_view characters) {
        fixed_string result;
        std::copy_n(characters.begin(), std::min(characters.size(), N - 1), result.text);
        return result;
    }

    constexpr std::string_view view() const { return {text, N - 1}; }
    constexpr operator std::string_view() const { return view(); }
    friend constexpr bool operator==(const fixed_string&, const fixed_string&) = default;

private:
    consteval fixed_string() = default;
};

} // namespace umsrep
