// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/graph/node.hpp>

/// What the backward pass of each op reads. The planner keeps exactly these values, and every backend reads no others.
namespace umsrep {

/// Backward reads the value of input 0. `weights`: the gradient of the weights is wanted; `batch_statistics`: of a batch-norm.
constexpr bool backward_reads_input(op kind, bool weights, bool batch_statistics) {
    switch (kind) {
    case op::conv:
    case op::conv_transpose:
    case op::linear: return weights;
    case op::batch_norm: return weights || batch_statistics;
    case op::group_norm:
    case op::gelu:
    case op::silu:
    case op::max_pool: return true;
    default: return false;
    }
}

/// Backward reads the op's own output.
constexpr bool backward_reads_output(op kind) {
    return kind == op::relu || kind == op::leaky_relu || kind == op::sigmoid || kind == op::softmax;
}

/// The op may write its output over its first input. A batch-norm by batch statistics may not: its backward reads the input.
constexpr bool runs_in_place(op kind, bool batch_statistics) {
    switch (kind) {
    case op::relu:
    case op::leaky_relu:
    case op::gelu:
    case op::silu:
    case op::sigmoid:
    case op::dropout:
    case op::add: return true;
    case op::batch_norm: return !batch_statistics;
    default: return false;
    }
}

/// Backward may write the gradient of its first input over the gradient of its output.
constexpr bool differentiates_in_place(op kind) {
    return kind == op::batch_norm || runs_in_place(kind, false);
}

} // namespace umsrep
