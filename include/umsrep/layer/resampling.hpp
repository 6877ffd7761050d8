// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/core/shape.hpp>

namespace umsrep {

/// Repeats every pixel: (N, C, H, W) -> (N, C, Factor H, Factor W).
template <extent Factor>
struct upsample_nearest {};

/// Bilinear interpolation, pixel centres aligned (PyTorch's align_corners = false): (N, C, H, W) -> (N, C, Factor H, Factor W).
template <extent Factor>
struct upsample_bilinear {};

} // namespace umsrep
