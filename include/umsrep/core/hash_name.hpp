// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

namespace umsrep {

/// FNV-1a, 64 bits (Fowler, Noll, Vo): turns a name ("encoder.e1.0.weight", "augment") into a number; `start` continues one.
constexpr std::uint64_t hash_name(std::string_view name, std::uint64_t start = 0xcbf29ce484222325) {
    std::uint64_t hash = start;
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return hash;
}

} // namespace umsrep
