// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/layer/activation.hpp>
#include <umsrep/layer/combination.hpp>
#include <umsrep/layer/dense.hpp>
#include <umsrep/layer/dropout.hpp>
#include <umsrep/layer/pooling.hpp>

/// Bodies of heads that give numbers for the whole image: logits of classes or labels, or scalars. (N, C, H, W) -> (N, Outputs, 1, 1).
namespace umsrep {

/// The mean over the image and one fully connected layer. Lin, Chen, Yan, "Network in network", 2014.
template <int Outputs>
using gap_linear = seq<global_avg_pool, linear<Outputs>>;

/// The same with dropout in between.
template <int Outputs, real Probability = 0.5>
using gap_dropout_linear = seq<global_avg_pool, dropout<Probability>, linear<Outputs>>;

/// The same with a hidden layer.
template <int Hidden, int Outputs, real Probability = 0.5>
using gap_hidden_linear = seq<global_avg_pool, linear<Hidden>, relu, dropout<Probability>, linear<Outputs>>;

} // namespace umsrep
