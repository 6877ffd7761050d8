// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/umsrep.hpp>

/// The network of this program as a type: one U-Net encoder for Doppler spectrograms, four tasks on it.
namespace doppler {

template <int Channels>
using conv_norm_relu = umsrep::seq<umsrep::conv<Channels, 3, umsrep::no_bias>, umsrep::batch_norm, umsrep::relu>;

template <umsrep::fixed_string Name, int Channels>
using down_stage = umsrep::stage<Name, umsrep::max_pool<2>, conv_norm_relu<Channels>, conv_norm_relu<Channels>>;

/// Grey images of any size that four halvings divide.
struct encoder : umsrep::encoder<umsrep::image<1, umsrep::dynamic, umsrep::dynamic>,
                                 umsrep::stage<"e1", umsrep::tap<"image">, conv_norm_relu<16>, conv_norm_relu<16>>,
                                 down_stage<"e2", 32>, down_stage<"e3", 64>, down_stage<"e4", 96>, down_stage<"e5", 128>> {};

/// Twice the size, joined by the encoder's stage of that size.
template <umsrep::fixed_string Skip, int Channels>
using up = umsrep::seq<umsrep::conv_transpose<Channels, 2, umsrep::stride<2>>, umsrep::concat<Skip>, conv_norm_relu<Channels>>;

template <int Finest>
struct decoder : umsrep::seq<up<"e4", 64>, up<"e3", 32>, up<"e2", 16>, up<"e1", Finest>, umsrep::conv<1, 1>> {};

/// Learns what to add to the image: the speckle with its sign turned.
struct denoiser : umsrep::seq<decoder<16>, umsrep::add<"image">> {};

template <int Classes>
struct classifier : umsrep::seq<umsrep::global_avg_pool, umsrep::dropout<0.2>, umsrep::linear<Classes>> {};

struct network : umsrep::network<encoder,
                                 umsrep::head<"denoise", denoiser, umsrep::loss::l1>,
                                 umsrep::head<"envelope", decoder<8>, umsrep::loss::dice_bce>,
                                 umsrep::head<"quality", classifier<2>, umsrep::loss::cross_entropy>,
                                 umsrep::head<"flow", classifier<8>, umsrep::loss::cross_entropy>> {};

} // namespace doppler
