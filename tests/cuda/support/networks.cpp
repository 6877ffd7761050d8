// SPDX-License-Identifier: MIT
#include <umsrep/loss/cross_entropy.hpp>
#include <umsrep/loss/dice_bce.hpp>
#include <umsrep/loss/l2.hpp>
#include <umsrep/network/description.hpp>
#include <umsrep/network/feature_pyramid.hpp>
#include <umsrep/network/lower.hpp>
#include <umsrep/network/zoo/densenet.hpp>
#include <umsrep/network/zoo/resnet.hpp>
#include <umsrep/network/zoo/unet.hpp>
#include <umsrep/network/zoo/vgg.hpp>

#include "networks.hpp"

namespace support {

using namespace umsrep;

namespace {

using photo = image<3, 224, 224>;
using scan = image<1, 256, 256>;
using small_scan = image<1, 64, 96>;

template <class Encoder, class Body>
using classifier = network<Encoder, head<"class", Body, loss::cross_entropy>>;

using unet = network<unet_encoder<scan, 32, 64, 128, 256, 512>,
    head<"lungs", unet_decoder<1, up<"e4", 256>, up<"e3", 128>, up<"e2", 64>, up<"e1", 32>>, loss::dice_bce>,
    head<"organs", unet_decoder<5, up<"e4", 256>, up<"e3", 128>, up<"e2", 64>, up<"e1", 32>>, loss::cross_entropy>,
    head<"finding", seq<global_avg_pool, linear<3>>, loss::cross_entropy>>;

/// Channels that fit no block of 8, and fewer than 4 of them.
using odd_unet = network<unet_encoder<small_scan, 12, 20, 37, 3>,
    head<"picture", unet_decoder<2, up<"e3", 21>, up<"e2", 13>, up<"e1", 5>>, loss::l2>>;

/// Channels of whole blocks: concatenations in slices, and a skip that two heads read.
using block_unet = network<unet_encoder<small_scan, 8, 16, 32>,
    head<"picture", unet_decoder<1, up<"e2", 16>, up<"e1", 8>>, loss::l2>,
    head<"other", unet_decoder<2, up<"e2", 16>, up<"e1", 8>>, loss::l2>>;

using pyramid = network<resnet18_encoder<scan>, head<"picture", feature_pyramid<>, loss::l2>>;

/// Layers that no network of the zoo has.
using others = network<encoder<image<2, 48, 48>,
    stage<"e1", conv<24, 3, no_bias>, group_norm<4>, gelu, conv<24, 3, groups<24>>, batch_norm, silu>,
    stage<"e2", max_pool<2>, conv<30, 3, dilation<2>, groups<3>>, leaky_relu, conv<32, 3, stride<2>>, relu, dropout<0.5>>,
    stage<"e3", residual<seq<conv<32, 3>, relu, conv<32, 3>>>, relu, avg_pool<3, stride<2>, padding<1>>, conv<7, 1>, sigmoid>>,
    head<"picture", seq<upsample_nearest<4>, conv<8, 3>, relu, upsample_bilinear<2>, conv<1, 3>>, loss::dice_bce>,
    head<"largest", seq<global_max_pool, linear<2>>, loss::cross_entropy>,
    head<"class", seq<conv_transpose<9, 3, stride<2>>, relu, linear<10>, relu, linear<1>>, loss::dice_bce>>;

template <class Net>
network_case all_of(std::string name, bool small = false) {
    mode frozen_norms;
    frozen_norms.training = true;
    frozen_norms.norms = norm_statistics::frozen;
    mode train;
    train.training = true;
    return {std::move(name), small, lower<Net>(), {train, frozen_norms, mode{}}};
}

} // namespace

std::vector<network_case> networks() {
    std::vector<network_case> all;
    all.push_back(all_of<unet>("unet"));
    all.push_back(all_of<odd_unet>("unet of odd widths", true));
    all.push_back(all_of<block_unet>("unet of whole blocks", true));
    all.push_back(all_of<pyramid>("resnet18 + feature_pyramid"));
    all.push_back(all_of<others>("every other layer", true));
    all.push_back(all_of<classifier<resnet50_encoder<photo>, resnet_classifier<1000>>>("resnet50"));
    all.push_back(all_of<classifier<vgg16_encoder<photo>, vgg_classifier<10>>>("vgg16"));
    all.push_back(all_of<classifier<vgg16_bn_encoder<photo>, vgg_classifier<10>>>("vgg16_bn"));
    all.push_back(all_of<classifier<densenet121_encoder<photo>, densenet_classifier<1000>>>("densenet121"));
    return all;
}

} // namespace support
