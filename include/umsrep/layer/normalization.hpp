// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/layer/options.hpp>

namespace umsrep {

/// Batch normalisation per channel over N, H, W. Ioffe and Szegedy, 2015. Options: epsilon (1e-5), momentum (0.1), no_affine.
/// Parameters: weight (C), bias (C); statistics: running_mean (C), running_var (C).
template <class... Options>
struct batch_norm_with {};
using batch_norm = batch_norm_with<>;

/// Group normalisation per sample over groups of C / Groups channels. Wu and He, 2018. Options: epsilon (1e-5), no_affine.
/// Parameters: weight (C), bias (C).
template <int Groups, class... Options>
struct group_norm {};

/// Instance normalisation: every channel of every sample by itself. Ulyanov et al., 2016. Options as group_norm;
/// `instance_norm` has no parameters, `instance_norm_with<>` has those of group_norm.
template <class... Options>
struct instance_norm_with {};
using instance_norm = instance_norm_with<no_affine>;

} // namespace umsrep
