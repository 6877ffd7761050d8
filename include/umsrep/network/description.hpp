// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/core/fixed_string.hpp>
#include <umsrep/core/shape.hpp>

namespace umsrep {

/// What a network reads: (N, Channels, Height, Width). Height and width may be `dynamic`: then the model is told them when it is built,
/// and the same passes run at that moment.
template <int Channels, int Height, int Width>
struct image {};

/// A named part of the encoder: layers one after another. Its output may be read by skip connections, by heads, and it is the unit
/// that a strategy freezes or trains.
template <fixed_string Name, class... Layers>
struct stage {};

/// The representation of one modality: an image and the stages that encode it.
template <class Image, class... Stages>
struct encoder {};

/// A task: what stands on the encoder, and the loss that trains it. `Loss` says the kind of target and the activation that turns logits
/// into what `predict` returns; options `from` and `output` override the defaults.
template <fixed_string Name, class Body, class Loss, class... Options>
struct head {};

/// Option of a head: read the output of this encoder stage instead of the last one.
template <fixed_string Stage>
struct from {};

/// Option of a head: the layer between logits and prediction, `output<sigmoid>`, `output<softmax>`, `output<identity>`.
template <class Activation>
struct output {};

/// An encoder and any number of task heads.
template <class Encoder, class... Heads>
struct network {};

} // namespace umsrep
