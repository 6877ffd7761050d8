// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
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

TEST_CASE("each worker begins with a share of the tasks of its own, and nobody waits while tasks are left") {
    thread_pool pool{4};
    for (const int tasks : {4, 11, 100}) {
        std::vector<int> first(4, -1);
        std::atomic<int> begun = 0;
        pool.run(tasks, [&](int i, int worker) {
            int& mine = first[static_cast<std::size_t>(worker)];
            if (mine >= 0) return;
            mine = i;
            for (++begun; begun < 4;) std::this_thread::yield(); // so none has taken the tasks of another one
        });
        for (int worker = 0; worker < 4; ++worker) CHECK(first[static_cast<std::size_t>(worker)] == tasks * worker / 4);
    }
    std::atomic<int> others = 0; // all tasks but one get done beside it, whoever's they are
    pool.run(100, [&](int i) {
        if (i == 0) while (others < 99) std::this_thread::yield();
        else ++others;
    });
    CHECK(others == 99);
}

TEST_CASE("a worker makes its state once, before its first task") {
    for (const int threads : {1, 2, 4}) {
        thread_pool pool{threads};
        for (const int tasks : {0, 1, 3, 1000}) {
            std::vector<int> made(4, 0), runs(static_cast<std::size_t>(tasks), 0);
            std::atomic<int> foreign = 0;
            struct own {
                int worker, tasks;
            };
            std::vector<int> done(4, 0);
            pool.run(
                tasks,
                [&](int worker) {
                    ++made[static_cast<std::size_t>(worker)];
                    return own{worker, 0};
                },
                [&](int i, own& state) {
                    ++runs[static_cast<std::size_t>(i)];
                    if (++state.tasks != ++done[static_cast<std::size_t>(state.worker)]) ++foreign;
                });
            CHECK(runs == std::vector<int>(static_cast<std::size_t>(tasks), 1));
            CHECK(foreign == 0);
            for (std::size_t worker = 0; worker < 4; ++worker) CHECK(made[worker] == (done[worker] > 0));
        }
        CHECK_THROWS_WITH_AS(pool.run(9, [](int) -> int { throw std::runtime_error("state"); }, [](int, int) {}), "state", std::runtime_error);
        std::atomic<int> refused = 0; // by the first worker that asks only
        const auto refuse_one = [&](int worker) { return refused++ == 0 ? throw std::runtime_error("one") : worker; };
        CHECK_THROWS_WITH_AS(pool.run(9, refuse_one, [](int, int) {}), "one", std::runtime_error);
        std::atomic<int> done = 0;
        pool.run(9, [&](int) { ++done; });
        CHECK(done == 9);
    }
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
