// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/layer/pooling.hpp>
#include <umsrep/loss/l2.hpp>
#include <umsrep/network/lower.hpp>

namespace umsrep {

/// The type of a network's encoder.
template <class Net>
using encoder_of = decltype(detail::encoder_of(Net{}));

/// An encoder alone: `model<encoder_features<chest_xray>>` predicts what its deepest stage gives, as `get<"features">()`. Its
/// parameters and statistics are the first of every network on that encoder. (A head needs a layer; a maximum over one pixel is none.)
template <class Encoder>
struct encoder_features : network<Encoder, head<"features", max_pool<1>, loss::l2>> {};

} // namespace umsrep
