// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/layer/options.hpp>

namespace umsrep {

/// Convolution (cross-correlation, as in every deep-learning library) to `Out` channels.
/// (N, C, H, W) -> (N, Out, H', W'), H' = (H + 2 padding - dilation (kernel - 1) - 1) / stride + 1.
/// Options: stride, padding (default: dilation (kernel - 1) / 2, for odd kernels), dilation, groups, no_bias.
/// Parameters: weight (Out, C / groups, kh, kw), bias (Out).
template <int Out, extent Kernel, class... Options>
struct conv {};

/// Transposed convolution, the adjoint of `conv` with the same options.
/// (N, C, H, W) -> (N, Out, H', W'), H' = (H - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.
/// Options: stride, padding (default 0), dilation, output_padding, groups, no_bias.
/// Parameters: weight (C, Out / groups, kh, kw), bias (Out).
template <int Out, extent Kernel, class... Options>
struct conv_transpose {};

} // namespace umsrep
