// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include <umsrep/core/thread_pool.hpp>

namespace umsrep::reference_ops {

constexpr std::ptrdiff_t ceil_div(std::ptrdiff_t a, std::ptrdiff_t b) { return (a + b - 1) / b; }

/// Tasks 0, ..., tasks - 1 as `task(i)` or `task(i, worker)`; without a pool on the calling thread.
template <class Task>
void for_tasks(thread_pool* pool, std::ptrdiff_t tasks, Task&& task) {
    if (pool) {
        pool->run(static_cast<int>(tasks), task);
    } else {
        for (int i = 0; i < static_cast<int>(tasks); ++i) {
            if constexpr (std::is_invocable_v<Task&, int, int>) task(i, 0);
            else task(i);
        }
    }
}

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
