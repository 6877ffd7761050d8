// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <umsrep/data/batch.hpp>

namespace umsrep {

/// How many samples of a batch have a label for head h.
inline std::size_t labelled(const data::batch& b, std::size_t h) {
    const auto& present = b.heads[h].present;
    return static_cast<std::size_t>(std::count_if(present.begin(), present.end(), [](std::uint8_t p) { return p != 0; }));
}

} // namespace umsrep
