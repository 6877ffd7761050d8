// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/umsrep.hpp>

/// The network of this program as a type: one U-Net encoder for chest X-rays, three tasks on it.
namespace xray {

template <int Channels>
using conv_norm_relu = umsrep::seq<umsrep::conv<Channels, 3, umsrep::no_bias>, umsrep::batch_norm, umsrep::relu>;

template <umsrep::fixed_string Name, int Channels>
using down_stage = umsrep::stage<Name, umsrep::max_pool<2>, conv_norm_relu<Channels>, conv_norm_relu<Channels>>;

/// Grey images of any size that four halvings divide.
struct encoder : umsrep::encoder<umsrep::image<1, umsrep::dynamic, umsrep::dynamic>,
                                 umsrep::stage<"e1", umsrep::tap<"image">, conv_norm_relu<16>, conv_norm_relu<16>>,
                                 down_stage<"e2", 32>, down_stage<"e3", 64>, down_stage<"e4", 128>, down_stage<"e5", 256>> {};

/// Twice the size, joined by the encoder's stage of that size.
template <umsrep::fixed_string Skip, int Channels>
using up = umsrep::seq<umsrep::conv_transpose<Channels, 2, umsrep::stride<2>>, umsrep::concat<Skip>, conv_norm_relu<Channels>>;

/// One convolution per size: lighter than the encoder, which is what the tasks share.
template <int Finest>
struct decoder : umsrep::seq<up<"e4", 64>, up<"e3", 32>, up<"e2", 16>, up<"e1", Finest>, umsrep::conv<1, 1>> {};

/// Learns what to add to the image: the noise with its sign turned. Zhang et al., "Beyond a Gaussian denoiser", 2017.
struct denoiser : umsrep::seq<decoder<16>, umsrep::add<"image">> {};

struct classifier : umsrep::seq<umsrep::global_avg_pool, umsrep::dropout<0.3>, umsrep::linear<3>> {};

struct network : umsrep::network<encoder,
                                 umsrep::head<"denoise", denoiser, umsrep::loss::l1>,
                                 umsrep::head<"lungs", decoder<8>, umsrep::loss::dice_bce>,
                                 umsrep::head<"finding", classifier, umsrep::loss::cross_entropy>> {};

/// Computes it. XRAY_EXACT, which CMake sets, takes Winograd's method out, to see that its rounding changes nothing.
#if defined(XRAY_EXACT)
using policy = umsrep::exact;
#else
using policy = umsrep::winograd;
#endif
using backend = umsrep::cpu<policy>;

} // namespace xray
