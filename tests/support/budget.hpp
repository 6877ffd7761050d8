// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace umsrep::test {

/// Of `n` random cases the number that is tried: a third where a sanitizer checks every access, which takes ten times as long.
constexpr std::uint64_t tried(std::uint64_t n) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return n / 3;
#else
    return n;
#endif
}

} // namespace umsrep::test
