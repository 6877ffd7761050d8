// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cpu/cpu.hpp>
#include <umsrep/backend/reference/reference.hpp>

// Compiled once, in kernels.cpp: the backends of the tests' networks.
namespace umsrep::test {
inline constexpr cpu_families with_dropout{
    .activations = false, .averages = false, .depthwise = false, .dropout = true, .group_norm = false, .upsampling = false};
}
extern template struct umsrep::cpu<>;
extern template struct umsrep::cpu<umsrep::winograd, umsrep::core_families>;
extern template struct umsrep::cpu<umsrep::winograd, umsrep::test::with_dropout>;
extern template struct umsrep::reference<float>;
extern template struct umsrep::reference<double>;
