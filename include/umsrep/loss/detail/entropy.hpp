// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/loss/detail/elementwise.hpp>

namespace umsrep::loss::detail {

/// Binary cross-entropy (1 - t) x + (1 + (w - 1) t) log(1 + exp(-x)) and its slope; w weighs the positives, `at` is logistic{x}.
template <class Pack>
points cross_entropy_of(const logistic<Pack>& at, const Pack& x, const Pack& t, const Pack& w) {
    const Pack positive = 1.0 + (w - 1.0) * t;
    return {(1.0 - t) * x + positive * at.softplus_of_negative(x), (1.0 - t) - positive * at.no};
}

} // namespace umsrep::loss::detail
