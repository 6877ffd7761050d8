// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace umsrep {

/// The name of a type as the compiler spells it, for messages only: compilers differ in blanks and qualification.
template <class T>
constexpr std::string_view type_name() { // not consteval: clang 16 would look for it at link time
    std::string_view whole = __PRETTY_FUNCTION__; // "... [with T = NAME; ...]" (g++), "... [T = NAME]" (clang)
    whole.remove_prefix(whole.find("T = ") + 4);
    if (const auto end = whole.find(';'); end != whole.npos) return whole.substr(0, end);
    return whole.substr(0, whole.rfind(']'));
}

} // namespace umsrep
