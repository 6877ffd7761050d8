// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>

// Replaces the C library's allocation functions by ones that count: for one source file of a test program. UMSREP_TEST_COUNTS says whether
// it could; the sanitizers bring functions of their own, and other C libraries lack the names behind these.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UMSREP_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UMSREP_TEST_SANITIZED 1
#endif
#endif

namespace umsrep::test {
/// Allocations of the program so far.
inline std::atomic<long> allocations{0};
} // namespace umsrep::test

#if defined(__GLIBC__) && !defined(UMSREP_TEST_SANITIZED)
#define UMSREP_TEST_COUNTS 1
// Every allocation of the program, operator new's and Eigen's included, comes through these.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t size) noexcept {
    ++umsrep::test::allocations;
    return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) noexcept {
    ++umsrep::test::allocations;
    return __libc_calloc(count, size);
}
void* realloc(void* p, std::size_t size) noexcept {
    ++umsrep::test::allocations;
    return __libc_realloc(p, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
    ++umsrep::test::allocations;
    return __libc_memalign(alignment, size);
}
int posix_memalign(void** result, std::size_t alignment, std::size_t size) noexcept {
    ++umsrep::test::allocations;
    *result = __libc_memalign(alignment, size);
    return *result == nullptr ? ENOMEM : 0;
}
}
#endif
