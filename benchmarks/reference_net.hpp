// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/umsrep.hpp>

/// The network that figures are given for: a U-Net encoder of five levels, two decoders and a classifier, 256 x 256.
namespace reference_net {

template <int C>
struct block
    : umsrep::seq<umsrep::conv<C, 3, umsrep::no_bias>, umsrep::batch_norm, umsrep::relu, umsrep::conv<C, 3, umsrep::no_bias>, umsrep::batch_norm, umsrep::relu> {};

template <umsrep::fixed_string Skip, int C>
struct up : umsrep::seq<umsrep::conv_transpose<C, 2, umsrep::stride<2>>, umsrep::concat<Skip>, block<C>> {};

template <int Size>
struct encoder : umsrep::encoder<umsrep::image<1, Size, Size>, umsrep::stage<"e1", block<32>>, umsrep::stage<"e2", umsrep::max_pool<2>, block<64>>,
                                 umsrep::stage<"e3", umsrep::max_pool<2>, block<128>>, umsrep::stage<"e4", umsrep::max_pool<2>, block<256>>,
                                 umsrep::stage<"e5", umsrep::max_pool<2>, block<512>>> {};

struct decoder : umsrep::seq<up<"e4", 256>, up<"e3", 128>, up<"e2", 64>, up<"e1", 32>, umsrep::conv<1, 1>> {};

template <int Size>
struct network : umsrep::network<encoder<Size>, umsrep::head<"denoise", decoder, umsrep::loss::l1>, umsrep::head<"lungs", decoder, umsrep::loss::dice_bce>,
                                 umsrep::head<"finding", umsrep::seq<umsrep::global_avg_pool, umsrep::linear<3>>, umsrep::loss::cross_entropy>> {};

} // namespace reference_net
