// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

namespace umsrep::balance::detail {

/// The softmax of `logits` over the tasks that are present; 0 for the others.
inline void softmax_of_present(std::span<const double> logits, std::span<const char> present, std::span<double> result) {
    double greatest = -std::numeric_limits<double>::infinity(), sum = 0;
    for (std::size_t i = 0; i < logits.size(); ++i)
        if (present[i] != 0) greatest = std::max(greatest, logits[i]);
    for (std::size_t i = 0; i < logits.size(); ++i) sum += result[i] = present[i] != 0 ? std::exp(logits[i] - greatest) : 0.0;
    for (double& value : result) value /= sum;
}

inline double count_of(std::span<const char> present) {
    return static_cast<double>(std::count_if(present.begin(), present.end(), [](char p) { return p != 0; }));
}

} // namespace umsrep::balance::detail
