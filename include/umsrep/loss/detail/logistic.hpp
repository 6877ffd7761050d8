// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>

namespace umsrep::loss::detail {

/// 1 / (1 + exp(-x)) without overflow.
inline double sigmoid(double x) {
    const double e = std::exp(-std::abs(x));
    return (x >= 0.0 ? 1.0 : e) / (1.0 + e);
}

/// log(1 + exp(x)) without overflow; -log(sigmoid(x)) is softplus(-x).
inline double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

} // namespace umsrep::loss::detail
