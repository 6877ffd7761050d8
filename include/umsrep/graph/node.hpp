// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <umsrep/core/shape.hpp>

namespace umsrep {

/// What a node of the graph computes. Two inputs at most; wider concatenations and sums are chains.
enum class op : std::uint8_t {
    input,
    conv,             ///< cross-correlation; weight (out, in / groups, kh, kw)
    conv_transpose,   ///< adjoint of conv; weight (in, out / groups, kh, kw)
    batch_norm,       ///< per channel over N, H, W; running statistics
    group_norm,       ///< per sample and group; instance norm is groups == channels
    relu,
    leaky_relu,       ///< attributes.value is the slope
    gelu,             ///< the exact one, x Phi(x)
    silu,
    sigmoid,
    softmax,          ///< over channels
    max_pool,
    avg_pool,
    global_avg_pool,
    upsample_nearest, ///< attributes.kernel is the factor
    upsample_bilinear,///< attributes.kernel is the factor; align_corners = false
    linear,           ///< on the flattened sample; weight (out, C * H * W)
    dropout,          ///< attributes.value is the probability of zero
    concat,           ///< channels of input 0, then of input 1
    add,
};

struct attributes {
    extent kernel{1}, stride{1}, padding{0}, dilation{1}, output_padding{0};
    int groups = 1;
    bool bias = false;              ///< conv, conv_transpose, linear
    bool affine = true;             ///< norms: has weight and bias
    bool count_include_pad = true;  ///< avg_pool
    double value = 0;               ///< slope, probability, or epsilon of a norm
    double momentum = 0.1;          ///< batch_norm: running = (1 - momentum) running + momentum batch
};

/// A range of elements in the model's parameter array (or in its array of running statistics).
struct slot {
    std::ptrdiff_t offset = 0, size = 0;
    constexpr explicit operator bool() const { return size != 0; }
};

/// One node of the graph: plain data, no type per layer.
struct node {
    op kind = op::input;
    std::array<int, 2> inputs{-1, -1};
    shape in{};          ///< shape of input 0
    shape out{};
    attributes a{};
    int owner = 0;       ///< who it belongs to: stage s of the encoder is s, head h is stage_count + h
    int label = 0;       ///< index into the graph's table of names
    slot weight{}, bias{};              ///< in the parameter array
    slot running_mean{}, running_var{}; ///< in the statistics array
};

} // namespace umsrep
