// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/train/options.hpp>

namespace umsrep {

/// Where L2-SP pulls every parameter to: what the options say, or where they are now. Throws option_error.
template <class T>
void fill_start(const l2_sp& o, std::span<const T> parameters, std::span<T> start) {
    if (!(o.strength >= 0) || !std::isfinite(o.strength))
        throw option_error("L2-SP: strength", "0 or more", std::to_string(o.strength));
    if (!o.start.empty() && o.start.size() != parameters.size())
        throw option_error("L2-SP: start", std::to_string(parameters.size()) + " parameters", std::to_string(o.start.size()));
    if (o.start.empty()) std::copy(parameters.begin(), parameters.end(), start.begin());
    else std::transform(o.start.begin(), o.start.end(), start.begin(), [](double v) { return static_cast<T>(v); });
}

} // namespace umsrep
