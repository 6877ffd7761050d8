// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/core/shape.hpp>

/// Options of layers, written after the layer's own numbers in any order: `conv<64, 3, stride<2>, no_bias>`.
namespace umsrep {

template <extent E> struct stride { static constexpr extent value = E; };
/// Zeros (or, for max pooling, minus infinity) added on each side. Without it, odd kernels keep the size at stride 1.
template <extent E> struct padding { static constexpr extent value = E; };
template <extent E> struct dilation { static constexpr extent value = E; };
/// Rows and columns added on one side of a transposed convolution's output, to tell apart the sizes that stride merges.
template <extent E> struct output_padding { static constexpr extent value = E; };
/// Channels are cut into G groups, each convolved on its own; `groups<C>` is a depthwise convolution.
template <int G> struct groups { static constexpr int value = G; };
struct no_bias {};
/// A norm without weight and bias.
struct no_affine {};
/// Average pooling that divides by the number of pixels inside the image.
struct exclude_pad {};

/// A real number as a template argument, for compilers that do not yet take floating-point ones.
struct real {
    double value;
    constexpr real(double v) : value{v} {}
    constexpr real(int v) : value{static_cast<double>(v)} {} // a whole number becomes no double in a template argument
    friend constexpr bool operator==(real, real) = default;
};
/// Added to the variance before the square root.
template <real E> struct epsilon { static constexpr double value = E.value; };
/// Weight of the newest batch in the running statistics (PyTorch's convention).
template <real M> struct momentum { static constexpr double value = M.value; };

} // namespace umsrep
