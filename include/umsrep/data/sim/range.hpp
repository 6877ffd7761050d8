// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <string>

#include <umsrep/core/error.hpp>
#include <umsrep/core/random.hpp>

namespace umsrep::sim {

/// From the smallest to the largest value of a quantity that is drawn for each image.
struct range {
    float low, high;

    float draw(random_stream& random) const { return random.uniform(low, high); }
};

namespace detail {

/// @throws option_error when a range is not ordered, or not within [least, most]
inline void check_range(const char* name, range r, float least, float most) {
    if (!(r.low >= least && r.low <= r.high && r.high <= most && std::isfinite(r.high)))
        throw option_error(name, "an ordered range within " + std::to_string(least) + " to " + std::to_string(most),
                           std::to_string(r.low) + " to " + std::to_string(r.high));
}

} // namespace detail

} // namespace umsrep::sim
