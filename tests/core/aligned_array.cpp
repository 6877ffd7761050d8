// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdint>
#include <fstream>
#include <limits>
#include <new>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <umsrep/core/aligned_array.hpp>

using umsrep::aligned_array;

namespace {

/// Resident memory of this process in KiB; 0 where the system does not say, and with the thread sanitizer, whose own memory comes on top.
long resident_kib() {
#if defined(__SANITIZE_THREAD__)
    return 0;
#endif
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("VmRSS:")) return std::stol(line.substr(6));
    return 0;
}

} // namespace

TEST_CASE("an aligned array is zero and begins on a cache line, whatever its size") {
    for (const std::size_t size : {1U, 15U, 16U, 1000U, 100'000U, 3'000'001U}) {
        CAPTURE(size);
        aligned_array<float> a(size);
        CHECK(a.size() == size);
        CHECK(reinterpret_cast<std::uintptr_t>(a.data()) % 64 == 0);
        CHECK(std::all_of(a.span().begin(), a.span().end(), [](float v) { return v == 0; }));
        std::fill(a.span().begin(), a.span().end(), 1.0f); // so that the next one meets used memory
    }
}

TEST_CASE("an empty aligned array has no memory, and a moved one none left") {
    CHECK(aligned_array<double>().data() == nullptr);
    CHECK(aligned_array<double>(0).data() == nullptr);
    aligned_array<double> a(10);
    double* const data = a.data();
    const aligned_array<double> b = std::move(a);
    CHECK(b.data() == data);
    CHECK(b.size() == 10);
}

TEST_CASE("an aligned array larger than the address space is refused") {
    CHECK_THROWS_AS(aligned_array<double>(std::numeric_limits<std::size_t>::max() / 4), std::bad_array_new_length);
}

TEST_CASE("a large aligned array takes no memory before it is written to") {
    const long before = resident_kib();
    if (before == 0) return; // nothing to measure by
    constexpr std::size_t megabytes = 256;
    aligned_array<float> a(megabytes * (1 << 20) / sizeof(float));
    CHECK(resident_kib() - before < 16 * 1024);
    std::fill(a.span().begin(), a.span().end(), 1.0f);
    CHECK(resident_kib() - before > 200 * 1024); // the measurement does see memory
}
