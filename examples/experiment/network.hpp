// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/umsrep.hpp>

#include "width.hpp"

/// The networks of the experiment: one encoder, whatever the modality, and the heads of each family of tasks.
namespace experiment {

template <int Channels>
struct block : umsrep::seq<umsrep::conv<Channels, 3, umsrep::no_bias>, umsrep::batch_norm, umsrep::relu,
                           umsrep::conv<Channels, 3, umsrep::no_bias>, umsrep::batch_norm, umsrep::relu> {};

template <umsrep::fixed_string Name, int Channels>
using down = umsrep::stage<Name, umsrep::max_pool<2>, block<Channels>>;

/// A U-Net's encoder of four levels, for grey images of any size that three halvings divide.
struct encoder : umsrep::encoder<umsrep::image<1, umsrep::dynamic, umsrep::dynamic>,
                                 umsrep::stage<"e1", block<encoder_width>>, down<"e2", 2 * encoder_width>,
                                 down<"e3", 4 * encoder_width>, down<"e4", 8 * encoder_width>> {};

/// Means over the picture, each brought to the same spread: those of an encoder that learnt something else differ little from image to
/// image, and a frozen one cannot change that. So He et al., "Masked autoencoders are scalable vision learners", 2022, probe encoders.
template <int Classes>
struct classifier : umsrep::seq<umsrep::global_avg_pool, umsrep::batch_norm, umsrep::dropout<0.2>, umsrep::linear<Classes>> {};

template <umsrep::fixed_string Name, int Classes>
using classes = umsrep::head<Name, classifier<Classes>, umsrep::loss::cross_entropy>;
template <umsrep::fixed_string Name>
using mask = umsrep::head<Name, umsrep::feature_pyramid<encoder_width>, umsrep::loss::dice_bce>;
/// Learns what to add to the image.
template <umsrep::fixed_string Name>
using restored = umsrep::head<Name, umsrep::seq<umsrep::feature_pyramid<encoder_width, 0>, umsrep::add_image>, umsrep::loss::l1>;

/// One backend for all of them, compiled in kernels.cpp. Decoders enlarge images; classifiers drop out; nothing else goes beyond the core operations.
inline constexpr umsrep::cpu_families kernels{
    .activations = false, .averages = false, .depthwise = false, .dropout = true, .group_norm = false, .upsampling = true};
using backend = umsrep::cpu<umsrep::winograd, kernels>;

} // namespace experiment
