// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include <umsrep/core/pieces.hpp>

namespace umsrep::reference_ops {

constexpr std::ptrdiff_t ceil_div(std::ptrdiff_t a, std::ptrdiff_t b) { return (a + b - 1) / b; }

using umsrep::for_tasks;

/// How many elements one task of an elementwise op takes: enough to outweigh handing it out, a multiple of every pack.
inline constexpr std::ptrdiff_t chunk = 16384;

/// `body(first, last)` on consecutive pieces of [0, size), cut in the same places for every number of threads.
template <class Body>
void for_chunks(thread_pool* pool, std::ptrdiff_t size, Body&& body) {
    for_tasks(pool, ceil_div(size, chunk), [&](int i) {
        const std::ptrdiff_t first = i * chunk;
        body(first, std::min(first + chunk, size));
    });
}

} // namespace umsrep::reference_ops
