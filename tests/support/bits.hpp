// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

namespace umsrep::test {

/// The same bits, NaN and signed zero included.
template <class A, class B>
bool same_bits(const A& a, const B& b) {
    return std::size(a) == std::size(b) &&
           (std::size(a) == 0 || std::memcmp(std::data(a), std::data(b), std::size(a) * sizeof(*std::data(a))) == 0);
}

template <class T>
std::vector<std::remove_const_t<T>> copy(std::span<T> values) {
    return {values.begin(), values.end()};
}

/// Greatest difference over the greatest magnitude of `expected`; 0 for two equal arrays, infinity for arrays of different sizes or with a
/// NaN.
template <class A, class B>
double relative_error(const A& got, const B& expected) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    if (std::size(got) != std::size(expected)) return infinity;
    double difference = 0, scale = 0;
    for (std::size_t i = 0; i < std::size(expected); ++i) {
        const double e = static_cast<double>(std::data(expected)[i]), d = static_cast<double>(std::data(got)[i]) - e;
        if (std::isnan(d)) return infinity;
        difference = std::max(difference, std::abs(d));
        scale = std::max(scale, std::abs(e));
    }
    return difference == 0 ? 0 : difference / std::max(scale, 1e-300);
}

} // namespace umsrep::test
