// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

#include <umsrep/core/thread_pool.hpp>

using namespace umsrep;

TEST_CASE("a pool runs every task exactly once, for any number of threads and tasks") {
    for (const int threads : {1, 2, 3, 8}) {
        thread_pool pool{threads};
        CHECK(pool.threads() == threads);
        for (const int tasks : {0, 1, 2, 7, 1000}) {
            std::vector<int> runs(static_cast<std::size_t>(tasks), 0);
            pool.run(tasks, [&](int i) { ++runs[static_cast<std::size_t>(i)]; });
            CHECK(runs == std::vector<int>(static_cast<std::size_t>(tasks), 1));
        }
    }
}

TEST_CASE("what tasks wrote is seen after run, thousands of times") {
    thread_pool pool{3};
    std::vector<int> values(17);
    int wrong = 0;
    for (int round = 0; round < 5000; ++round) {
        pool.run(17, [&](int i) { values[static_cast<std::size_t>(i)] = round + i; });
        for (int i = 0; i < 17; ++i) wrong += values[static_cast<std::size_t>(i)] != round + i;
    }
    CHECK(wrong == 0);
}

TEST_CASE("tasks that run at the same time have different workers") {
    thread_pool pool{4};
    std::vector<std::atomic<int>> busy(4);
    std::atomic<int> clashes = 0;
    pool.run(10000, [&](int, int worker) {
        if (busy[static_cast<std::size_t>(worker)]++ != 0) ++clashes;
        --busy[static_cast<std::size_t>(worker)];
    });
    CHECK(clashes == 0);
}

TEST_CASE("an exception in a task reaches the caller, and the pool goes on working") {
    for (const int threads : {1, 2, 4}) {
        thread_pool pool{threads};
        for (const int thrower : {0, 5, 99})
            CHECK_THROWS_WITH_AS(pool.run(100, [&](int i) { if (i == thrower) throw std::runtime_error("task"); }), "task", std::runtime_error);
        CHECK_THROWS_AS(pool.run(100, [](int) { throw std::runtime_error("all"); }), std::runtime_error);
        std::atomic<int> done = 0;
        pool.run(100, [&](int) { ++done; });
        CHECK(done == 100);
    }
}

TEST_CASE("a run inside a run is refused, not a deadlock") {
    for (const int threads : {1, 2}) {
        thread_pool pool{threads};
        CHECK_THROWS_WITH_AS(pool.run(4, [&](int) { pool.run(4, [](int) {}); }),
                             "thread_pool: expected one run at a time, got a run while another one is under way", option_error);
    }
}

TEST_CASE("a pool without threads is refused") {
    CHECK_THROWS_WITH_AS(thread_pool{0}, "thread_pool: expected at least 1 thread, got 0", option_error);
}
