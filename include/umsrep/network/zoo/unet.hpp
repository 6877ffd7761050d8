// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <utility>

#include <umsrep/layer/activation.hpp>
#include <umsrep/layer/combination.hpp>
#include <umsrep/layer/convolution.hpp>
#include <umsrep/layer/normalization.hpp>
#include <umsrep/layer/pooling.hpp>
#include <umsrep/network/description.hpp>
#include <umsrep/network/zoo/names.hpp>

/// Ronneberger, Fischer, Brox, "U-Net: convolutional networks for biomedical image segmentation", MICCAI 2015; with padding, so that the
/// output has the image's size, and with batch normalisation.
namespace umsrep {

/// Twice: convolution 3 x 3, batch-norm, relu. (N, C', H, W) -> (N, C, H, W).
template <int C>
using conv_block = seq<conv<C, 3>, batch_norm, relu, conv<C, 3>, batch_norm, relu>;

namespace detail {

template <class Image, class Indices, int... Widths>
struct unet_encoder;
template <class Image, std::size_t... I, int First, int... Widths>
struct unet_encoder<Image, std::index_sequence<I...>, First, Widths...> {
    using type = encoder<Image, stage<"e1", conv_block<First>>, stage<counted<"e", static_cast<int>(I) + 2>, max_pool<2>, conv_block<Widths>>...>;
};

} // namespace detail

/// Stages "e1", "e2", ...: a block of each width, halving height and width in between. Both must divide by 2^(widths - 1) for
/// `unet_decoder` to fit. The original has widths 64, 128, 256, 512, 1024.
template <class Image, int First, int... Widths>
using unet_encoder = typename detail::unet_encoder<Image, std::make_index_sequence<sizeof...(Widths)>, First, Widths...>::type;

/// One step up: transposed convolution that doubles height and width, the skip connection of a stage, a block.
/// (N, C', H, W) -> (N, C, 2 H, 2 W).
template <fixed_string Skip, int C>
using up = seq<conv_transpose<C, 2, stride<2>>, concat<Skip>, conv_block<C>>;

/// The body of a head on a U-Net encoder: steps up, and a convolution 1 x 1 to `Out` channels of logits.
/// unet_decoder<1, up<"e4", 256>, up<"e3", 128>, up<"e2", 64>, up<"e1", 32>>.
template <int Out, class... Ups>
using unet_decoder = seq<Ups..., conv<Out, 1>>;

} // namespace umsrep
