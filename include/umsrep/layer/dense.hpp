// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/layer/options.hpp>

namespace umsrep {

/// Fully connected layer on the flattened sample: (N, C, H, W) -> (N, Out, 1, 1). Option: no_bias.
/// Parameters: weight (Out, C H W), bias (Out).
template <int Out, class... Options>
struct linear {};

} // namespace umsrep
