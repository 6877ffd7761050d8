// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include <umsrep/core/error.hpp>
#include <umsrep/statistics/incomplete_beta.hpp>

namespace umsrep::statistics {

/// P(X <= successes) of `trials` independent trials that succeed with probability p: I_{1-p}(n - k, k + 1), DLMF 8.17.5.
/// @throws option_error unless 0 <= p <= 1
inline double binomial_cdf(std::uint64_t successes, std::uint64_t trials, double p) {
    if (!(p >= 0.0 && p <= 1.0)) throw option_error("binomial distribution", "a probability in [0, 1]", std::to_string(p));
    if (successes >= trials) return 1.0;
    return incomplete_beta(static_cast<double>(trials - successes), static_cast<double>(successes) + 1.0, 1.0 - p, p);
}

} // namespace umsrep::statistics
