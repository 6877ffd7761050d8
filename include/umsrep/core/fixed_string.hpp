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

    constexpr std::string_view view() const { return {text, N - 1}; }
    constexpr operator std::string_view() const { return view(); }
    friend constexpr bool operator==(const fixed_string&, const fixed_string&) = default;
};

} // namespace umsrep
