// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include <umsrep/backend/cuda/elementwise.hpp>
#include <umsrep/graph/node.hpp>
#include <umsrep/graph/op_name.hpp>

/// Graphs of conv, conv_transpose and linear. Weights lie as (outputs, kernel height, kernel width, inputs per group) in the storage type;
/// of a transposed convolution, outputs and inputs are exchanged, as in PyTorch.
namespace umsrep::cuda {

/// The linear map of a node: a correlation from images to results. A transposed convolution is its adjoint; a dense layer is the one whose
/// window is the whole image.
struct linear_map {
    shape image, result;
    extent kernel{1}, padding{0}, stride{1}, dilation{1};
    int groups = 1;
    bool adjoint = false;
};

inline linear_map map_of(const node& n) {
    switch (n.kind) {
    case op::conv: return {n.in, n.out, n.a.kernel, n.a.padding, n.a.stride, n.a.dilation, n.a.groups, false};
    case op::conv_transpose: return {n.out, n.in, n.a.kernel, n.a.padding, n.a.stride, n.a.dilation, n.a.groups, true};
    case op::linear: return {n.in, n.out, {n.in.h, n.in.w}, 0, 1, 1, 1, false};
    default: throw option_error("cuda convolution", "conv, conv_transpose or linear", std::string(umsrep::name(n.kind)));
    }
}

/// The map between a node's input and output, in roles: what it gives, from what.
inline convolution convolution_of(const node& n, int batch, precision p, role input, role weight, role output, convolution::gives what) {
    const linear_map m = map_of(n);
    const tensor x = activation(input, batch, n.in, p), y = activation(output, batch, n.out, p);
    const tensor w = weights(weight, m.result.c, m.image.c / m.groups, m.kernel, storage_type(p));
    return {what, m.adjoint ? y : x, w, m.adjoint ? x : y, m.padding, m.stride, m.dilation};
}

/// Whether cuDNN's kernel for a map forward has an epilogue. With 16 bits a grouped one has none, and a transposed one only where both
/// sides have a multiple of 8 channels; in bf16 none of that one's images may be a slice of wider ones either.
constexpr bool has_epilogue(const node& n, precision p, bool slices = false) {
    if (size_of(storage_type(p)) == 4) return true;
    if (n.a.groups != 1) return false;
    return n.kind != op::conv_transpose || (n.in.c % 8 == 0 && n.out.c % 8 == 0 && !(slices && p == precision::bf16));
}

/// output = relu(map(input) + bias + skip), as far as asked for.
inline operation_graph forward_convolution(const node& n, int batch, precision p, const epilogue& e) {
    const bool adjoint = map_of(n).adjoint;
    convolution c = convolution_of(n, batch, p, role::input, role::weight, role::output,
                                   adjoint ? convolution::gives::images : convolution::gives::results);
    operation_graph g{std::string(umsrep::name(n.kind)), {}};
    tensor& result = adjoint ? c.image : c.result;
    const tensor y = result;
    if (e) result = intermediate(0, y);
    g.operations.push_back(c);
    append_epilogue(g, e, result, per_channel(role::bias, n.out.c), activation(role::skip, batch, n.out, p), y);
    return g;
}

/// grad_input = adjoint(grad_output), or adjoint(grad_output) + grad_skip, which lies elsewhere: no graph writes over what it reads.
inline operation_graph backward_convolution_input(const node& n, int batch, precision p, bool sums = false) {
    const bool adjoint = map_of(n).adjoint;
    convolution c = convolution_of(n, batch, p, role::grad_input, role::weight, role::grad_output,
                                   adjoint ? convolution::gives::results : convolution::gives::images);
    operation_graph g{std::string(umsrep::name(n.kind)) + " backward" + (sums ? " + add" : ""), {}};
    tensor& gradient = adjoint ? c.result : c.image;
    const tensor to = gradient;
    if (sums) gradient = intermediate(0, to);
    g.operations.push_back(c);
    if (sums) g.operations.push_back(pointwise{CUDNN_POINTWISE_ADD, gradient, activation(role::grad_skip, batch, n.in, p), to});
    return g;
}

/// grad_weight, in the storage type: cuDNN gives 16 bits from 16 bits.
inline operation_graph backward_convolution_weight(const node& n, int batch, precision p) {
    return {std::string(umsrep::name(n.kind)) + " weight gradient",
            {convolution_of(n, batch, p, role::input, role::grad_weight, role::grad_output, convolution::gives::weights)}};
}

/// grad_bias, in fp32: the sum of grad_output over samples and pixels.
inline operation_graph backward_bias(int batch, shape s, precision p) {
    const tensor g = whole_activation(role::grad_output, batch, s, p);
    return {"bias gradient", {channel_sums{g, per_channel(role::grad_bias, stored_channels(s.c))}}};
}

} // namespace umsrep::cuda
