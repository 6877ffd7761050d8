// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>

#include "../../support/tiny.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UMSREP_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UMSREP_TEST_SANITIZED 1
#endif
#endif

using namespace umsrep;
using test::tiny;

namespace {
std::atomic<long> allocations{0};
}

#if defined(__GLIBC__) && !defined(UMSREP_TEST_SANITIZED)
#define UMSREP_TEST_COUNTS 1
// Every allocation of the program, operator new's and Eigen's included, comes through these.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t size) {
    ++allocations;
    return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
    ++allocations;
    return __libc_calloc(count, size);
}
void* realloc(void* p, std::size_t size) {
    ++allocations;
    return __libc_realloc(p, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
    ++allocations;
    return __libc_memalign(alignment, size);
}
int posix_memalign(void** result, std::size_t alignment, std::size_t size) {
    ++allocations;
    *result = __libc_memalign(alignment, size);
    return *result == nullptr ? ENOMEM : 0;
}
}
#endif

TEST_CASE("the count sees operator new") {
#ifdef UMSREP_TEST_COUNTS
    const long before = allocations;
    const auto p = std::make_unique<std::array<int, 100>>();
    CHECK(p != nullptr);
    CHECK(allocations > before);
#else
    MESSAGE("skipped: allocations are counted with glibc and without sanitizers only");
#endif
}

TEST_CASE("training steps and predictions allocate nothing") {
#ifdef UMSREP_TEST_COUNTS
    for (const int thread_count : {1, 2}) {
        model<tiny> m{seed{1}, batch{4}, threads{thread_count}};
        auto samples = test::tiny_loader(m);
        trainer together{m, joint<all>{}, optim::adamw{}, batch{4}, {.clip_norm = 1, .average = optim::ema{}}};
        trainer in_turn{m, alternating<last<1>>{}, optim::sgd{}, batch{4}};
        samples.start(0);
        const auto b = *samples.next();
        auto p = m.predict(b.images);

        const long before = allocations;
        for (int i = 0; i < 3; ++i) {
            together.step(b);
            in_turn.step(b);
            m.predict_into(b.images, p);
        }
        CHECK(allocations == before);
    }
#else
    MESSAGE("skipped: allocations are counted with glibc and without sanitizers only");
#endif
}
