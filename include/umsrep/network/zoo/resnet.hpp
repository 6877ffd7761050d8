// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include <umsrep/layer/activation.hpp>
#include <umsrep/layer/combination.hpp>
#include <umsrep/layer/convolution.hpp>
#include <umsrep/layer/dense.hpp>
#include <umsrep/layer/normalization.hpp>
#include <umsrep/layer/pooling.hpp>
#include <umsrep/network/description.hpp>

/// He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016; the stride of a bottleneck stands on its 3 x 3
/// convolution, as in torchvision. Names and parameters are torchvision's: "encoder.e2.layer1.0.conv1.weight" is its
/// "layer1.0.conv1.weight", "<head>.fc.weight" its "fc.weight".
namespace umsrep {

namespace detail {

template <class Shortcut, class... Body>
using residual_block = seq<unnamed<residual<unnamed<seq<Body...>>, Shortcut>>, relu>;

template <int Out, int Stride>
using projection = named<"downsample", seq<conv<Out, 1, stride<Stride>, no_bias>, batch_norm>>;

/// A block, then others like it: the first may change the shape.
template <class First, class Rest, class Indices>
struct block_row;
template <class First, class Rest, std::size_t... I>
struct block_row<First, Rest, std::index_sequence<I...>> {
    template <std::size_t>
    using again = Rest;
    using type = seq<First, again<I>...>;
};

} // namespace detail

/// Two convolutions 3 x 3 beside a shortcut, which is a projection where the block changes the shape.
template <int Width, int Stride, bool Projects>
struct basic_block : detail::residual_block<std::conditional_t<Projects, detail::projection<Width, Stride>, identity>,
    named<"conv1", conv<Width, 3, stride<Stride>, no_bias>>, named<"bn1", batch_norm>, relu,
    named<"conv2", conv<Width, 3, no_bias>>, named<"bn2", batch_norm>> {
    static constexpr int widening = 1;
};

/// Convolutions 1 x 1, 3 x 3, 1 x 1 to four times the width beside a shortcut.
template <int Width, int Stride, bool Projects>
struct bottleneck : detail::residual_block<std::conditional_t<Projects, detail::projection<4 * Width, Stride>, identity>,
    named<"conv1", conv<Width, 1, no_bias>>, named<"bn1", batch_norm>, named<"relu1", relu>,
    named<"conv2", conv<Width, 3, stride<Stride>, no_bias>>, named<"bn2", batch_norm>, named<"relu2", relu>,
    named<"conv3", conv<4 * Width, 1, no_bias>>, named<"bn3", batch_norm>> {
    static constexpr int widening = 4;
};

/// `Count` blocks in a row, the first with the stride.
template <template <int, int, bool> class Block, int Width, int Stride, int Count>
using resnet_layer = typename detail::block_row<Block<Width, Stride, Stride != 1 || Block<Width, 1, false>::widening != 1>,
                                                Block<Width, 1, false>, std::make_index_sequence<Count - 1>>::type;

/// Stages e1 to e5 at 1/2, 1/4, ..., 1/32 of the image.
template <class Image, template <int, int, bool> class Block, int A, int B, int C, int D>
using resnet_encoder = encoder<Image,
    stage<"e1", named<"conv1", conv<64, 7, stride<2>, no_bias>>, named<"bn1", batch_norm>, relu>,
    stage<"e2", max_pool<3, stride<2>, padding<1>>, named<"layer1", resnet_layer<Block, 64, 1, A>>>,
    stage<"e3", named<"layer2", resnet_layer<Block, 128, 2, B>>>,
    stage<"e4", named<"layer3", resnet_layer<Block, 256, 2, C>>>,
    stage<"e5", named<"layer4", resnet_layer<Block, 512, 2, D>>>>;

template <class Image>
using resnet18_encoder = resnet_encoder<Image, basic_block, 2, 2, 2, 2>;
template <class Image>
using resnet34_encoder = resnet_encoder<Image, basic_block, 3, 4, 6, 3>;
template <class Image>
using resnet50_encoder = resnet_encoder<Image, bottleneck, 3, 4, 6, 3>;

/// The body of a ResNet's own head.
template <int Outputs>
using resnet_classifier = seq<global_avg_pool, named<"fc", linear<Outputs>>>;

} // namespace umsrep
