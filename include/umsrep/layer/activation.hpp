// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/layer/options.hpp>

namespace umsrep {

struct relu {};
/// x for x > 0, Slope * x otherwise; Slope > 0.
template <real Slope>
struct leaky_relu_with {};
using leaky_relu = leaky_relu_with<0.01>;
/// x Phi(x), the exact form. Hendrycks and Gimpel, 2016.
struct gelu {};
/// x sigmoid(x). Elfwing et al., 2017.
struct silu {};
struct sigmoid {};
/// Over channels.
struct softmax {};

} // namespace umsrep
