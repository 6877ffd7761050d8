// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/layer/activation.hpp>
#include <umsrep/layer/combination.hpp>
#include <umsrep/layer/convolution.hpp>
#include <umsrep/layer/dense.hpp>
#include <umsrep/layer/dropout.hpp>
#include <umsrep/layer/normalization.hpp>
#include <umsrep/layer/pooling.hpp>
#include <umsrep/network/description.hpp>

/// Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015: configuration D.
/// Names and parameters are torchvision's: "encoder.e2.5.weight" is its "features.5.weight", "<head>.classifier.0.weight" its
/// "classifier.0.weight".
namespace umsrep {

/// VGG16 without its classifier. Stages e1 to e5 at 1, 1/2, ..., 1/16 of the image; widths 64, 128, 256, 512, 512.
template <class Image>
using vgg16_encoder = encoder<Image,
    stage<"e1", numbered<0, conv<64, 3>, relu, conv<64, 3>, relu>>,
    stage<"e2", numbered<4, max_pool<2>, conv<128, 3>, relu, conv<128, 3>, relu>>,
    stage<"e3", numbered<9, max_pool<2>, conv<256, 3>, relu, conv<256, 3>, relu, conv<256, 3>, relu>>,
    stage<"e4", numbered<16, max_pool<2>, conv<512, 3>, relu, conv<512, 3>, relu, conv<512, 3>, relu>>,
    stage<"e5", numbered<23, max_pool<2>, conv<512, 3>, relu, conv<512, 3>, relu, conv<512, 3>, relu>>>;

/// The same with batch normalisation: torchvision's vgg16_bn.
template <class Image>
using vgg16_bn_encoder = encoder<Image,
    stage<"e1", numbered<0, conv<64, 3>, batch_norm, relu, conv<64, 3>, batch_norm, relu>>,
    stage<"e2", numbered<6, max_pool<2>, conv<128, 3>, batch_norm, relu, conv<128, 3>, batch_norm, relu>>,
    stage<"e3", numbered<13, max_pool<2>, conv<256, 3>, batch_norm, relu, conv<256, 3>, batch_norm, relu,
                             conv<256, 3>, batch_norm, relu>>,
    stage<"e4", numbered<23, max_pool<2>, conv<512, 3>, batch_norm, relu, conv<512, 3>, batch_norm, relu,
                             conv<512, 3>, batch_norm, relu>>,
    stage<"e5", numbered<33, max_pool<2>, conv<512, 3>, batch_norm, relu, conv<512, 3>, batch_norm, relu,
                             conv<512, 3>, batch_norm, relu>>>;

/// The body of VGG16's own head: 4096, 4096, Outputs. Made for images of 224 x 224 (others change the first layer's parameters).
template <int Outputs>
using vgg_classifier = seq<max_pool<2>,
    named<"classifier", seq<linear<4096>, relu, dropout<0.5>, linear<4096>, relu, dropout<0.5>, linear<Outputs>>>>;

} // namespace umsrep
