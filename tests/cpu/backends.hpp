// SPDX-License-Identifier: MIT
#pragma once

#include <tests/support/kernels.hpp>

namespace umsrep::test {

using fast = cpu<>;
using exact_only = cpu<exact>;

/// Largest error that a backend may make, in rms of the right values: plain sums of products are exact to rounding; Winograd's transforms
/// amplify it. Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016.
template <class Backend>
inline constexpr double tolerance = 1e-4;
template <>
inline constexpr double tolerance<exact_only> = 1e-5;

} // namespace umsrep::test
