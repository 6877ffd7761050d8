// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <umsrep/backend/cuda/tensor.hpp>
#include <umsrep/graph/storage.hpp>

/// How activations lie on the device: N, H, W, C, with the channels of all but the narrowest images rounded up.
namespace umsrep::cuda {

/// cuDNN normalises 8 channels of 16 bits, or 4 of 32, at a time and knows no other number; so every activation has room for a multiple
/// of 8, except for the 1 to 3 channels of images, masks and logits. What lies in the room that is left over means nothing: convolutions
/// step over it, and nothing else mixes channels.
constexpr int stored_channels(int channels) { return channels < 4 ? channels : (channels + 7) / 8 * 8; }

/// Elements that an activation of one sample takes.
constexpr std::ptrdiff_t stored_elements(shape s) { return static_cast<std::ptrdiff_t>(stored_channels(s.c)) * s.plane(); }

/// Who takes slices of the channels of wider activations. cuDNN's pools do not, and of ours there is the one of maxima only; its norms
/// by the batch write them, where something stands behind them in their graph, and read none.
constexpr bool writes_slices(const node& n) { return n.kind != op::avg_pool; }
constexpr bool reads_slices(const node& n) { return n.kind != op::avg_pool && n.kind != op::batch_norm; }

/// Whether the gradient of an operation's input is a graph with room for a sum behind it, in every type: those of convolutions; in bf16 of
/// whole groups of 8 channels only.
constexpr bool adds_gradients(const node& n) {
    return n.kind == op::conv_transpose || (n.kind == op::conv && n.a.groups == 1 && n.in.c % 8 == 0 && n.out.c % 8 == 0);
}

/// The same for the planner. cuDNN does not say that a norm's backward may write over the gradient that it reads, so it never does. Slices
/// begin at a multiple of 8 channels, which is an address of 16 bytes at least.
inline constexpr storage_policy device_storage{
    .elements = stored_elements,
    .dense = [](shape s) { return stored_channels(s.c) == s.c && (s.c == 1 || s.plane() == 1); },
    .norm_gradients_in_place = false,
    .slice_block = 8,
    .reads_slices = reads_slices,
    .writes_slices = writes_slices,
    .adds_gradients = adds_gradients,
};

/// An activation as convolutions see it: its channels, with the room behind them stepped over.
inline tensor activation(role r, int batch, shape s, precision p) { return images(r, batch, s, storage_type(p), stored_channels(s.c)); }

/// An activation as all others see it: the room behind its channels is channels too.
inline tensor whole_activation(role r, int batch, shape s, data_type type) {
    return images(r, batch, {stored_channels(s.c), s.h, s.w}, type);
}
inline tensor whole_activation(role r, int batch, shape s, precision p) { return whole_activation(r, batch, s, storage_type(p)); }

} // namespace umsrep::cuda
