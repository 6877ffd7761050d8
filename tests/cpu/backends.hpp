// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/reference/reference.hpp>
#if __has_include(<umsrep/backend/cpu/cpu.hpp>)
#include <umsrep/backend/cpu/cpu.hpp>
#endif

// Compiled once, in support/kernels.cpp.
extern template struct umsrep::reference<float>;
extern template struct umsrep::reference<double>;

namespace umsrep::test {

#if __has_include(<umsrep/backend/cpu/cpu.hpp>)
using fast = cpu<>;
using exact_only = cpu<exact>;
#else
using fast = reference<float>;
using exact_only = reference<float>;
#endif

/// Largest error that a backend may make, in rms of the right values: plain sums of products are exact to rounding; Winograd's transforms
/// amplify it. Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016.
template <class Backend>
inline constexpr double tolerance = 1e-4;
template <>
inline constexpr double tolerance<exact_only> = 1e-5;

} // namespace umsrep::test
