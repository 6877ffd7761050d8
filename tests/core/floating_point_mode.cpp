// SPDX-License-Identifier: MIT
#include <umsrep/core/floating_point_mode.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cfenv>
#include <thread>
#include <vector>

#include <umsrep/core/thread_pool.hpp>

using namespace umsrep;

namespace {

/// Half of the smallest normal float, as this thread computes it, and twice a denormal.
float denormal_result() {
    volatile float smallest = 1.17549435e-38f, half = 0.5f;
    return smallest * half;
}
float from_denormal_operand() {
    volatile float denormal = 1.0e-40f, large = 1.0e20f;
    return denormal * large;
}

constexpr bool is_known =
#if defined(__SSE2__) || defined(__aarch64__)
    true;
#else
    false;
#endif

/// `f()` on every thread of the pool: no task ends before all have begun.
template <class F>
std::vector<float> on_every_thread(thread_pool& pool, F f) {
    std::vector<float> results(static_cast<std::size_t>(pool.threads()));
    std::atomic<int> begun{0};
    pool.run(pool.threads(), [&](int i) {
        for (++begun; begun < pool.threads();) std::this_thread::yield();
        results[static_cast<std::size_t>(i)] = f();
    });
    return results;
}

} // namespace

TEST_CASE("denormal numbers count as 0 while a flush_denormals lives, and as themselves before and after") {
    CHECK(denormal_result() > 0.0f);
    {
        const flush_denormals guard;
        CHECK((denormal_result() == 0.0f) == is_known);
        CHECK((from_denormal_operand() == 0.0f) == is_known);
        {
            const flush_denormals again;
            const flush_denormals not_wanted{false};
        }
        CHECK((denormal_result() == 0.0f) == is_known);
    }
    CHECK(denormal_result() > 0.0f);
    CHECK(from_denormal_operand() > 0.0f);
    const flush_denormals not_wanted{false};
    CHECK(denormal_result() > 0.0f);
}

TEST_CASE("a pool's threads compute in the mode of the thread that calls run") {
    thread_pool pool{3};
    for (int again = 0; again < 3; ++again) {
        for (const float v : on_every_thread(pool, denormal_result)) CHECK(v > 0.0f);
        const flush_denormals guard;
        for (const float v : on_every_thread(pool, denormal_result)) CHECK((v == 0.0f) == is_known);
        for (const float v : on_every_thread(pool, from_denormal_operand)) CHECK((v == 0.0f) == is_known);
    }
}

TEST_CASE("what a computation reports through its flags is not lost when a mode ends") {
    std::feclearexcept(FE_ALL_EXCEPT);
    {
        const flush_denormals guard;
        volatile float zero = 0.0f, one = 1.0f;
        one = one / zero;
    }
    CHECK(std::fetestexcept(FE_DIVBYZERO) != 0);
    std::feclearexcept(FE_ALL_EXCEPT);
}
