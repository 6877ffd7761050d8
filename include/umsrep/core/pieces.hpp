// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <type_traits>

#include <umsrep/core/thread_pool.hpp>

namespace umsrep {

/// `task(i)` or `task(i, worker)` for i in [0, tasks), on the threads of `pool`; without one, in order on the calling thread.
template <class Task>
void for_tasks(thread_pool* pool, std::ptrdiff_t tasks, Task&& task) {
    const int count = static_cast<int>(tasks);
    if (pool != nullptr) return pool->run(count, task);
    for (int i = 0; i < count; ++i) {
        if constexpr (std::is_invocable_v<Task&, int, int>) task(i, 0);
        else task(i);
    }
}

/// [0, size) in consecutive pieces of one length, the last as long as remains. The cuts depend on the size alone, so that work and
/// sums that follow them have the same bits for every number of threads.
struct pieces {
    std::ptrdiff_t size = 0, length = 1;

    static constexpr int most = 256; ///< of `at_least`

    /// Pieces of `least` elements or more, and few enough for a partial sum of each to stand on the stack.
    static constexpr pieces at_least(std::ptrdiff_t least, std::ptrdiff_t size) {
        return {size, std::max(least, (size + most - 1) / most)};
    }

    constexpr int count() const { return static_cast<int>((size + length - 1) / length); }
    constexpr std::ptrdiff_t begin(int i) const { return i * length; }
    constexpr std::ptrdiff_t end(int i) const { return std::min(begin(i) + length, size); }
};

/// `body(begin, end)` for every piece.
template <class Body>
void for_pieces(thread_pool* pool, const pieces& cut, Body body) {
    for_tasks(pool, cut.count(), [&](int i) { body(cut.begin(i), cut.end(i)); });
}

/// The sum of `part(begin, end)` over pieces of at least `least` elements, added in their order. Allocates nothing.
template <class Part>
double sum_of_pieces(thread_pool* pool, std::ptrdiff_t least, std::ptrdiff_t size, Part part) {
    const pieces cut = pieces::at_least(least, size);
    std::array<double, pieces::most> partial; // only [0, count) is written and read
    for_tasks(pool, cut.count(), [&](int i) { partial[static_cast<std::size_t>(i)] = part(cut.begin(i), cut.end(i)); });
    double sum = 0.0;
    for (int i = 0; i < cut.count(); ++i) sum += partial[static_cast<std::size_t>(i)];
    return sum;
}

} // namespace umsrep
