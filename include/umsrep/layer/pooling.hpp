// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/layer/options.hpp>

namespace umsrep {

/// Maximum over a window. Stride is the window unless given. Options: stride, padding. Sizes are rounded down, as in PyTorch.
template <extent Window, class... Options>
struct max_pool {};

/// Mean over a window. Options: stride, padding, exclude_pad.
template <extent Window, class... Options>
struct avg_pool {};

/// Mean over the image: (N, C, H, W) -> (N, C, 1, 1).
struct global_avg_pool {};

/// Maximum over the image: (N, C, H, W) -> (N, C, 1, 1).
struct global_max_pool {};

} // namespace umsrep
