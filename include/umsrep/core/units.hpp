// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace umsrep {

/// Number of samples that are computed together.
struct batch {
    int value = 1;
    constexpr explicit batch(int n) : value{n} {}
};

/// Number of threads that compute.
struct threads {
    int value = 1;
    constexpr explicit threads(int n) : value{n} {}
};

inline namespace literals {
constexpr std::int64_t operator""_KiB(unsigned long long n) { return static_cast<std::int64_t>(n) << 10; }
constexpr std::int64_t operator""_MiB(unsigned long long n) { return static_cast<std::int64_t>(n) << 20; }
constexpr std::int64_t operator""_GiB(unsigned long long n) { return static_cast<std::int64_t>(n) << 30; }
} // namespace literals

} // namespace umsrep
