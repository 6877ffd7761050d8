// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/core/fixed_string.hpp>

namespace umsrep {

/// Layers one after another. In names of parameters it is PyTorch's nn.Sequential: the layer's index, "0", "1", ...
template <class... Layers>
struct seq {};

/// Gives a layer a name instead of its index in the sequence around it: named<"conv1", conv<64, 7, stride<2>>>.
template <fixed_string Name, class Layer>
struct named {};

/// Layers one after another whose numbers begin at First, counted as if they stood in the sequence around them:
/// stage<"e2", numbered<4, max_pool<2>, conv<128, 3>>> names its convolution "e2.5".
template <int First, class... Layers>
struct numbered {};

/// A layer whose own name does not appear: its children are called as if they stood in the sequence around it.
template <class Layer>
struct unnamed {};

struct identity {};

/// The sum of several branches that read the same input; all must give the same shape.
template <class... Branches>
struct sum_of {};

/// The channels of several branches that read the same input, one after another; all must give the same height and width.
template <class... Branches>
struct concat_of {};

/// Body(x) + Shortcut(x). He et al., 2015.
template <class Body, class Shortcut = identity>
using residual = sum_of<Body, Shortcut>;

/// Remembers the value at this place under a name, for `concat` and `add` further on. Encoder stages are remembered by themselves.
template <fixed_string Name>
struct tap {};

/// Appends the channels of the stage or tap called `Name` to the current ones: the skip connection of a U-Net.
template <fixed_string Name>
struct concat {};

/// Adds the value of the stage or tap called `Name`.
template <fixed_string Name>
struct add {};

} // namespace umsrep
