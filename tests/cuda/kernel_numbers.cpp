// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>

#include <umsrep/backend/cuda/kernel/number.cuh>
#include <umsrep/core/random.hpp>

namespace umsrep::test::kernel_numbers {

using cuda::kernel::bf16;
using cuda::kernel::fp16;
using cuda::kernel::number;

/// What the 16 bits of a number with so many bits of mantissa mean, by the definition of IEEE 754.
double meaning(unsigned bits, int mantissa) {
    const int exponent_bits = 15 - mantissa, bias = (1 << (exponent_bits - 1)) - 1;
    const int exponent = static_cast<int>(bits >> mantissa) & ((1 << exponent_bits) - 1);
    const double fraction = static_cast<double>(bits & ((1u << mantissa) - 1)), sign = (bits & 0x8000u) != 0 ? -1 : 1;
    if (exponent == (1 << exponent_bits) - 1)
        return fraction != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
    if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - mantissa);
    return sign * std::ldexp(std::ldexp(1.0, mantissa) + fraction, exponent - bias - mantissa);
}

/// The number nearest to x, ties to even; what is as far out as half a step beyond the largest is infinity.
template <class T>
bool is_nearest(float x, int mantissa) {
    const unsigned bits = number<T>::from(x).bits;
    if (std::isnan(x)) return std::isnan(meaning(bits, mantissa));
    if (std::signbit(x) != ((bits & 0x8000u) != 0)) return false;
    const unsigned infinity = 0x7fffu >> mantissa << mantissa, size = bits & 0x7fffu;
    // Infinity counts as the step after the largest number.
    const auto value = [&](unsigned s) {
        return s == infinity ? 2 * meaning(s - 1, mantissa) - meaning(s - 2, mantissa) : meaning(s, mantissa);
    };
    if (size > infinity) return false;
    const double wanted = std::abs(static_cast<double>(x)), got = std::abs(wanted - value(size));
    if (std::isinf(x)) return size == infinity;
    const double below = size > 0 ? std::abs(wanted - value(size - 1)) : 1e300;
    const double above = size < infinity ? std::abs(wanted - value(size + 1)) : 1e300;
    if (size == infinity && wanted > value(infinity)) return true;
    return (got < below && got < above) || ((got == below || got == above) && got <= below && got <= above && size % 2 == 0);
}

template <class T>
void check_numbers(int mantissa) {
    for (unsigned bits = 0; bits < 0x10000u; ++bits) {
        const double expected = meaning(bits, mantissa);
        const float got = number<T>::to_float(T{static_cast<unsigned short>(bits)});
        if (std::isnan(expected)) {
            REQUIRE(std::isnan(got));
            continue;
        }
        REQUIRE(static_cast<double>(got) == expected);
        REQUIRE(std::signbit(got) == std::signbit(expected));
        REQUIRE(number<T>::from(got).bits == bits);
        // Around half a step to the next number.
        const double half = (expected + meaning(bits + 1, mantissa)) / 2;
        if (!std::isfinite(half)) continue;
        const float middle = static_cast<float>(half);
        for (const float x : {middle, std::nextafter(middle, 1e38f), std::nextafter(middle, -1e38f)}) {
            CAPTURE(x);
            REQUIRE(is_nearest<T>(x, mantissa));
        }
    }
    random_stream random(seed{1}, "numbers");
    for (int i = 0; i < 100'000; ++i) {
        const float x = cuda::kernel::float_of(random());
        CAPTURE(x);
        REQUIRE(is_nearest<T>(x, mantissa));
    }
}

TEST_CASE("bfloat16 and half are IEEE's, every one of them, and rounding is to the nearest, ties to even") {
    check_numbers<bf16>(7);
    check_numbers<fp16>(10);
}

TEST_CASE("half overflows at 65520") {
    CHECK(number<fp16>::from(65519.996f).bits == 0x7bff);
    CHECK(number<fp16>::from(65520.0f).bits == 0x7c00);
    CHECK(number<fp16>::from(-65520.0f).bits == 0xfc00);
}

TEST_CASE("packs are read and written as they are, or added to") {
    alignas(32) float x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    alignas(16) bf16 y[8];
    cuda::kernel::store(y, cuda::kernel::load<8>(x));
    cuda::kernel::store(y, cuda::kernel::load<8>(x), true);
    for (int i = 0; i < 8; ++i) CHECK(cuda::kernel::to_float(y[i]) == 2.0f * x[i]);
}

} // namespace umsrep::test::kernel_numbers
