// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include <umsrep/graph/node.hpp>

namespace umsrep {

/// What an operation is called in messages and tables: as the layer it comes from.
constexpr std::string_view name(op kind) {
    switch (kind) {
    case op::input: return "input";
    case op::conv: return "conv";
    case op::conv_transpose: return "conv_transpose";
    case op::batch_norm: return "batch_norm";
    case op::group_norm: return "group_norm";
    case op::relu: return "relu";
    case op::leaky_relu: return "leaky_relu";
    case op::gelu: return "gelu";
    case op::silu: return "silu";
    case op::sigmoid: return "sigmoid";
    case op::softmax: return "softmax";
    case op::max_pool: return "max_pool";
    case op::avg_pool: return "avg_pool";
    case op::global_avg_pool: return "global_avg_pool";
    case op::upsample_nearest: return "upsample_nearest";
    case op::upsample_bilinear: return "upsample_bilinear";
    case op::linear: return "linear";
    case op::dropout: return "dropout";
    case op::concat: return "concat";
    case op::add: return "add";
    }
    return "unknown";
}

} // namespace umsrep
