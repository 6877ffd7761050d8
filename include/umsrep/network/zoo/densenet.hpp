// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <utility>

#include <umsrep/layer/activation.hpp>
#include <umsrep/layer/combination.hpp>
#include <umsrep/layer/convolution.hpp>
#include <umsrep/layer/dense.hpp>
#include <umsrep/layer/normalization.hpp>
#include <umsrep/layer/pooling.hpp>
#include <umsrep/network/description.hpp>
#include <umsrep/network/zoo/names.hpp>

/// Huang, Liu, van der Maaten, Weinberger, "Densely connected convolutional networks", CVPR 2017. Names and parameters are
/// torchvision's: "encoder.e2.denseblock1.denselayer1.conv1.weight" is its "features.denseblock1.denselayer1.conv1.weight",
/// "<head>.classifier.weight" its "classifier.weight".
namespace umsrep {

/// Appends `Growth` channels computed from all before: a bottleneck of four times as many, then a convolution 3 x 3.
template <int Growth>
struct dense_layer : concat_of<identity, unnamed<seq<
    named<"norm1", batch_norm>, named<"relu1", relu>, named<"conv1", conv<4 * Growth, 1, no_bias>>,
    named<"norm2", batch_norm>, named<"relu2", relu>, named<"conv2", conv<Growth, 3, no_bias>>>>> {};

namespace detail {

template <int Growth, class Indices>
struct dense_layers;
template <int Growth, std::size_t... I>
struct dense_layers<Growth, std::index_sequence<I...>> {
    using type = seq<named<counted<"denselayer", static_cast<int>(I) + 1>, dense_layer<Growth>>...>;
};

} // namespace detail

template <int Growth, int Count>
using dense_block = typename detail::dense_layers<Growth, std::make_index_sequence<Count>>::type;

/// Between two dense blocks: `Out` channels, half the height and width.
template <int Out>
using dense_transition = seq<named<"norm", batch_norm>, named<"relu", relu>, named<"conv", conv<Out, 1, no_bias>>, named<"pool", avg_pool<2>>>;

/// Growth 32, blocks of 6, 12, 24, 16 layers. Stages e1 to e5 at 1/2, 1/4, ..., 1/32 of the image with 64, 256, 512, 1024, 1024 channels.
template <class Image>
using densenet121_encoder = encoder<Image,
    stage<"e1", named<"conv0", conv<64, 7, stride<2>, no_bias>>, named<"norm0", batch_norm>, named<"relu0", relu>>,
    stage<"e2", named<"pool0", max_pool<3, stride<2>, padding<1>>>, named<"denseblock1", dense_block<32, 6>>>,
    stage<"e3", named<"transition1", dense_transition<128>>, named<"denseblock2", dense_block<32, 12>>>,
    stage<"e4", named<"transition2", dense_transition<256>>, named<"denseblock3", dense_block<32, 24>>>,
    stage<"e5", named<"transition3", dense_transition<512>>, named<"denseblock4", dense_block<32, 16>>,
                named<"norm5", batch_norm>, named<"relu5", relu>>>;

/// The body of DenseNet's own head.
template <int Outputs>
using densenet_classifier = seq<global_avg_pool, named<"classifier", linear<Outputs>>>;

} // namespace umsrep
