// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>

#include <tests/backend/every_operation.hpp>

// Every call of malloc in this program is counted, operator new's and Eigen's alike: the C library lets a program have a malloc of its
// own. The sanitizers bring theirs, so there is nothing to count under them, nor on other C libraries.
// GCC has macros of its own for them, even where Eigen defines __has_feature to be always 0.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UMSREP_TEST_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define UMSREP_TEST_SANITIZED
#endif
#endif

#if defined(__GLIBC__) && !defined(UMSREP_TEST_SANITIZED)

namespace {
std::atomic<long> allocations = 0;
}

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void* malloc(std::size_t size) {
    ++allocations;
    return __libc_malloc(size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
    ++allocations;
    return __libc_memalign(alignment, size);
}
}

using namespace umsrep;
using namespace umsrep::test;

TEST_CASE("the count of allocations counts") {
    const long before = allocations;
    void* volatile block = std::malloc(10); // volatile: or the compiler leaves them out
    std::free(block);
    int* volatile number = new int;
    delete number;
    CHECK(allocations - before == 2);
}

TEST_CASE("no operation allocates, with one thread or several") {
    for (const auto& [name, n] : every_operation())
        for (const int threads : {1, 2}) {
            INFO(name);
            operation<float> single(n, 5, 1, threads);
            operation<double> twice(n, 5, 1, threads);
            const long before = allocations;
            single.forward();
            single.backward();
            twice.forward();
            twice.backward();
            const long after = allocations;
            CHECK(after == before);
        }
}

#else
TEST_CASE("no operation allocates, with one thread or several") { MESSAGE("skipped: malloc cannot be counted here"); }
#endif
