// SPDX-License-Identifier: MIT
#pragma once

#include <cstdio>
#include <string>

namespace umsrep::balance::detail {

/// "name=value", all digits of it.
inline std::string option(const char* name, double value) {
    char text[64];
    std::snprintf(text, sizeof text, "%s=%.17g", name, value);
    return text;
}

} // namespace umsrep::balance::detail
