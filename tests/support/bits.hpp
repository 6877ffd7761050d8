// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <vector>

namespace umsrep::test {

/// The same bits, NaN and signed zero included.
template <class A, class B>
bool same_bits(const A& a, const B& b) {
    return std::size(a) == std::size(b) && (std::size(a) == 0 || std::memcmp(std::data(a), std::data(b), std::size(a) * sizeof(*std::data(a))) == 0);
}

template <class T>
std::vector<std::remove_const_t<T>> copy(std::span<T> values) {
    return {values.begin(), values.end()};
}

/// Greatest difference over the greatest magnitude of `b`; 0 for two equal arrays.
template <class A, class B>
double relative_error(const A& a, const B& b) {
    double difference = 0, scale = 0;
    for (std::size_t i = 0; i < std::size(b); ++i) {
        difference = std::max(difference, std::abs(static_cast<double>(std::data(a)[i]) - static_cast<double>(std::data(b)[i])));
        scale = std::max(scale, std::abs(static_cast<double>(std::data(b)[i])));
    }
    return difference == 0 ? 0 : difference / std::max(scale, 1e-300);
}

} // namespace umsrep::test
