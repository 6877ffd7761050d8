// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/elementwise.hpp>

/// Graphs of batch normalisation (Ioffe and Szegedy, 2015). Parameters and statistics are fp32, one for each stored channel.
namespace umsrep::cuda {

/// cuDNN normalises by the batch only whole groups of channels.
constexpr bool has_batch_norm(shape s) { return stored_channels(s.c) % 8 == 0; }

/// output = relu((input - mean) deviation weight + bias + skip) by the batch's statistics; `e.bias` means nothing. Writes mean and
/// deviation, 1 / sqrt(variance + epsilon), for backward, and the running statistics moved on.
inline operation_graph forward_batch_norm(int batch, shape s, precision p, const epilogue& e) {
    const auto vector = [c = stored_channels(s.c)](role r) { return per_channel(r, c); };
    const tensor y = whole_activation(role::output, batch, s, p);
    const epilogue rest{false, e.skip, e.relu};
    const tensor normalised = rest ? intermediate(0, y) : y;
    operation_graph g{"batch_norm", {}};
    norm_forward n;
    n.x = whole_activation(role::input, batch, s, p);
    n.scale = vector(role::weight);
    n.shift = vector(role::bias);
    n.epsilon = scalar(role::epsilon);
    n.momentum = scalar(role::momentum);
    n.running_mean = vector(role::running_mean);
    n.running_variance = vector(role::running_variance);
    n.y = normalised;
    n.mean = vector(role::mean);
    n.deviation = vector(role::deviation);
    n.next_running_mean = vector(role::next_running_mean);
    n.next_running_variance = vector(role::next_running_variance);
    g.operations.push_back(n);
    append_epilogue(g, rest, normalised, n.shift, whole_activation(role::skip, batch, s, p), y);
    return g;
}

/// grad_input, grad_weight and grad_bias from input, grad_output, mean, deviation and weight. `relu`: of a ReLU behind the normalisation,
/// whose output is computed again.
inline operation_graph backward_batch_norm(int batch, shape s, precision p, bool relu) {
    const auto vector = [c = stored_channels(s.c)](role r) { return per_channel(r, c); };
    const tensor x = whole_activation(role::input, batch, s, p), dy = whole_activation(role::grad_output, batch, s, p);
    operation_graph g{relu ? "relu + batch_norm backward" : "batch_norm backward", {}};
    tensor behind_norm = dy;
    if (relu) {
        const tensor y = intermediate(0, x);
        behind_norm = intermediate(1, x);
        behind_norm.type = x.type; // as it would be stored: cuDNN knows no other
        g.operations.push_back(norm_again{x, vector(role::weight), vector(role::bias), vector(role::mean), vector(role::deviation), y});
        g.operations.push_back(pointwise{CUDNN_POINTWISE_RELU_BWD, y, dy, behind_norm});
    }
    g.operations.push_back(norm_backward{x, behind_norm, vector(role::mean), vector(role::deviation), vector(role::weight),
                                         whole_activation(role::grad_input, batch, s, p), vector(role::grad_weight),
                                         vector(role::grad_bias)});
    return g;
}

} // namespace umsrep::cuda
