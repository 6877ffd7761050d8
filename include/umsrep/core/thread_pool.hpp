// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/core/floating_point_mode.hpp>

namespace umsrep {

/// Threads that wait for work. `run` executes tasks 0, ..., n - 1 on them and on the calling thread and returns when all are done.
///
/// Each worker begins with a share of the tasks of its own, in their order, and whoever has done with its own takes the last ones of others. So where tasks
/// are cut alike, from one end of an image to the other, one run after another reads on the same core what it wrote.
///
/// All the same, which thread takes which task is left open: work must be cut into tasks by its own size, never by the number of threads,
/// and each task must write its own part of the result. Then the bits do not depend on the number of threads.
///
/// They compute in the floating-point mode of the thread that calls `run`, so a `flush_denormals` there holds in every task.
///
/// `run` allocates nothing. One `run` at a time: a `run` from inside a task, or from a second thread, throws option_error.
class thread_pool {
public:
    /// `threads` counts the caller too: 1 starts no thread. Throws option_error when it is not positive, device_error when the
    /// system refuses a thread.
    explicit thread_pool(int threads) : threads_{threads} {
        if (threads < 1) throw option_error("thread_pool", "at least 1 thread", std::to_string(threads));
        remaining_ = std::vector<remaining>(static_cast<std::size_t>(threads));
        // A thread that spins keeps another one from its core when there are more threads than cores.
        if (static_cast<unsigned>(threads) > std::thread::hardware_concurrency()) spins_ = 0;
        workers_.reserve(static_cast<std::size_t>(threads - 1));
        try {
            for (int worker = 1; worker < threads; ++worker) workers_.emplace_back([this, worker] { work(worker); });
        } catch (const std::system_error& refused) {
            stop();
            throw device_error("thread_pool", std::to_string(threads) + " threads", refused.what());
        } catch (...) { // no memory: those that run already must not outlive the pool
            stop();
            throw;
        }
    }
    ~thread_pool() { stop(); }
    thread_pool(const thread_pool&) = delete;
    thread_pool& operator=(const thread_pool&) = delete;

    int threads() const { return threads_; }

    /// Calls `task(i)` or `task(i, worker)` for every i in [0, tasks); `worker` in [0, threads()) tells calls apart that may run at
    /// the same time, and so owns scratch memory. After an exception the tasks not yet begun are dropped and it is rethrown here.
    template <class Task>
        requires(std::is_invocable_v<Task&, int> || std::is_invocable_v<Task&, int, int>)
    void run(int tasks, Task&& task) {
        run_any(tasks, const_cast<void*>(static_cast<const void*>(std::addressof(task))), [](void* context, thread_pool& pool, int worker) {
            auto& each = *static_cast<std::remove_reference_t<Task>*>(context);
            for (int i; (i = pool.next_task(worker)) >= 0;) {
                if constexpr (std::is_invocable_v<Task&, int, int>) each(i, worker);
                else each(i);
            }
        });
    }

    /// Calls `task(i, state)` with what `state_of(worker)` returns: each worker that takes a task calls it once, before its first.
    template <class StateOf, class Task>
    void run(int tasks, StateOf&& state_of, Task&& task) {
        struct both {
            StateOf& state_of;
            Task& task;
        } both_of{state_of, task};
        run_any(tasks, &both_of, [](void* context, thread_pool& pool, int worker) {
            const both& of = *static_cast<both*>(context);
            int i = pool.next_task(worker);
            if (i < 0) return;
            for (auto state = of.state_of(worker); i >= 0; i = pool.next_task(worker)) of.task(i, state);
        });
    }

private:
    using loop = void (*)(void* context, thread_pool& pool, int worker); ///< takes tasks until none is left

    struct job {
        void* context = nullptr;
        loop of_worker = nullptr;
        floating_point_mode mode = floating_point_mode::current();
    };

    /// Tasks of one worker's share that nobody has begun.
    class alignas(64) remaining {
    public:
        void set(int begin, int end) { range_.store(packed(begin, end), std::memory_order_relaxed); }
        int count() const { return count(range_.load(std::memory_order_relaxed)); }
        int take_first() { // or -1
            for (std::uint64_t r = range_.load(std::memory_order_relaxed); count(r) > 0;)
                if (range_.compare_exchange_weak(r, packed(begin(r) + 1, end(r)), std::memory_order_relaxed)) return begin(r);
            return -1;
        }
        int take_last() { // or -1
            for (std::uint64_t r = range_.load(std::memory_order_relaxed); count(r) > 0;)
                if (range_.compare_exchange_weak(r, packed(begin(r), end(r) - 1), std::memory_order_relaxed)) return end(r) - 1;
            return -1;
        }

    private:
        static std::uint64_t packed(int begin, int end) { return static_cast<std::uint64_t>(begin) << 32 | static_cast<std::uint64_t>(end); }
        static int begin(std::uint64_t r) { return static_cast<int>(r >> 32); }
        static int end(std::uint64_t r) { return static_cast<int>(r & 0xffffffff); }
        static int count(std::uint64_t r) { return end(r) - begin(r); }

        std::atomic<std::uint64_t> range_{0};
    };

    /// Marks the pool as running for as long as it lives.
    struct claim {
        std::atomic<bool>& busy;
        explicit claim(std::atomic<bool>& flag) : busy{flag} {
            if (busy.exchange(true, std::memory_order_acquire))
                throw option_error("thread_pool", "one run at a time", "a run while another one is under way");
        }
        ~claim() { busy.store(false, std::memory_order_release); }
        claim(const claim&) = delete;
        claim& operator=(const claim&) = delete;
    };

    /// `run` of any type of task: compiled once, not once for each.
    void run_any(int tasks, void* context, loop of_worker) {
        if (tasks <= 0) return;
        const claim claimed{busy_};
        if (threads_ == 1 || tasks == 1) {
            of(0).set(0, tasks);
            return of_worker(context, *this, 0);
        }
        job_ = {context, of_worker, floating_point_mode::current()};
        for (int worker = 0, first = 0; worker < threads_; ++worker) {
            const int end = static_cast<int>(std::int64_t{tasks} * (worker + 1) / threads_);
            of(worker).set(first, end);
            first = end;
        }
        working_.store(threads_ - 1, std::memory_order_relaxed);
        generation_.fetch_add(1, std::memory_order_release); // publishes all of the above
        generation_.notify_all();
        take_tasks(0);
        wait_until(working_, [](int workers) { return workers == 0; });
        failed_.store(false, std::memory_order_relaxed);
        if (const std::exception_ptr failure = std::exchange(failure_, nullptr)) std::rethrow_exception(failure);
    }

    void take_tasks(int worker) {
        try {
            job_.of_worker(job_.context, *this, worker);
        } catch (...) {
            if (!failed_.exchange(true)) failure_ = std::current_exception(); // seen by run() through working_
            for (remaining& r : remaining_) r.set(0, 0);
        }
    }

    /// Of the worker's own share, else of the one of which most is left, else -1.
    int next_task(int worker) {
        if (const int own = of(worker).take_first(); own >= 0) return own;
        for (;;) {
            remaining* most = nullptr;
            int count = 0; // as it was seen: shares only shrink, so when all were empty there is nothing left
            for (remaining& r : remaining_)
                if (const int c = r.count(); c > count) {
                    most = &r;
                    count = c;
                }
            if (most == nullptr) return -1;
            if (const int others = most->take_last(); others >= 0) return others;
        }
    }
    remaining& of(int worker) { return remaining_[static_cast<std::size_t>(worker)]; }

    void work(int worker) {
        for (std::uint32_t seen = 0;;) {
            seen = wait_until(generation_, [seen](std::uint32_t now) { return now != seen; });
            if (stopping_.load(std::memory_order_relaxed)) return;
            job_.mode.apply();
            take_tasks(worker);
            if (working_.fetch_sub(1, std::memory_order_acq_rel) == 1) working_.notify_one();
        }
    }

    /// Waits until `done(value)`: first by looking (a fork and join of short tasks costs about a microsecond), then asleep.
    template <class T, class Done>
    T wait_until(const std::atomic<T>& value, Done done) const {
        for (int spin = 0; spin < spins_; ++spin) {
            if (const T now = value.load(std::memory_order_acquire); done(now)) return now;
            if (spin % 64 == 63) std::this_thread::yield();
        }
        for (;;) {
            const T now = value.load(std::memory_order_acquire);
            if (done(now)) return now;
            value.wait(now, std::memory_order_acquire);
        }
    }

    void stop() {
        stopping_.store(true, std::memory_order_relaxed);
        generation_.fetch_add(1, std::memory_order_release);
        generation_.notify_all();
        for (std::thread& worker : workers_) worker.join();
    }

    const int threads_;
    int spins_ = 4096;
    job job_;
    std::vector<remaining> remaining_; ///< of each worker
    alignas(64) std::atomic<int> working_{0};
    alignas(64) std::atomic<std::uint32_t> generation_{0};
    std::atomic<bool> busy_{false}, stopping_{false}, failed_{false};
    std::exception_ptr failure_;
    std::vector<std::thread> workers_; // last: the threads use all of the above
};

} // namespace umsrep
