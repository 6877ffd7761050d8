// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace umsrep {

/// Of this library; files that it writes carry it. The same as that of the CMake project, which a test compares.
inline constexpr std::string_view library_version = "0.1.0";

} // namespace umsrep
