// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace benchmarks {

/// Nanoseconds from one thread's write to another one's sight of it: 30 to 60 between cores that share a cache, 100 and more where they do not. Where a machine
/// is shared this changes from one minute to the next, and with it the time of whatever passes data between threads. Takes a few milliseconds.
inline double measure_thread_distance() {
    constexpr int trials = 5, turns = 10'000;
    std::vector<double> nanoseconds;
    for (int trial = 0; trial < trials; ++trial) {
        alignas(128) std::atomic<int> ball{0};
        const auto wait_for = [&ball](int value) {
            while (ball.load(std::memory_order_acquire) != value) {}
        };
        std::thread other([&] {
            for (int turn = 0; turn < turns; ++turn) {
                wait_for(2 * turn + 1);
                ball.store(2 * turn + 2, std::memory_order_release);
            }
        });
        ball.store(1, std::memory_order_release);
        wait_for(2); // the other one has started
        const auto start = std::chrono::steady_clock::now();
        for (int turn = 1; turn < turns; ++turn) {
            ball.store(2 * turn + 1, std::memory_order_release);
            wait_for(2 * turn + 2);
        }
        nanoseconds.push_back(std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() / (2 * (turns - 1)));
        other.join();
    }
    std::ranges::sort(nanoseconds);
    return nanoseconds[nanoseconds.size() / 2];
}

} // namespace benchmarks
