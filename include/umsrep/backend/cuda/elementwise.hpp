// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>

#include <umsrep/backend/cuda/layout.hpp>
#include <umsrep/backend/cuda/operation.hpp>

namespace umsrep::cuda {

/// What is done with a result before it is stored: y = relu(result + bias + skip). The bias is fp32, one for each stored channel.
struct epilogue {
    bool bias = false, skip = false, relu = false;

    explicit constexpr operator bool() const { return bias || skip || relu; }
};

/// cuDNN has no kernel for elementwise operations on single channels. One channel lies in memory as the pixels of a line would, so the
/// line's width can be the number of channels instead.
inline shape elementwise_shape(shape s) { return s.c == 1 ? shape{s.w, s.h, 1} : s; }
/// There is none either for one number per sample.
constexpr bool has_elementwise(shape s) { return s.c > 1 || s.w > 1; }

inline tensor elements(role r, int batch, shape s, precision p) {
    const shape e = elementwise_shape({stored_channels(s.c), s.h, s.w});
    return images(r, batch, e, storage_type(p));
}

/// Appends y = relu(x + bias + skip), as far as asked for. `bias`, `skip`: where they are.
inline void append_epilogue(operation_graph& g, const epilogue& e, tensor x, const tensor& bias, const tensor& skip, const tensor& y) {
    int left = int{e.bias} + int{e.skip} + int{e.relu}, made = 0;
    const auto append = [&](cudnnPointwiseMode_t mode, const std::optional<tensor>& other, const char* word) {
        const tensor to = --left == 0 ? y : intermediate(50 + made++, y);
        g.operations.push_back(pointwise{mode, x, other, to});
        g.name += std::string(g.name.empty() ? "" : " + ") + word;
        x = to;
    };
    if (e.bias) append(CUDNN_POINTWISE_ADD, bias, "bias");
    if (e.skip) append(CUDNN_POINTWISE_ADD, skip, "add");
    if (e.relu) append(CUDNN_POINTWISE_RELU_FWD, std::nullopt, "relu");
}

/// y = relu(x + bias + skip) of roles input, bias, skip and output: where it is no other graph's epilogue.
inline operation_graph forward_elementwise(int batch, shape s, precision p, const epilogue& e) {
    operation_graph g;
    append_epilogue(g, e, elements(role::input, batch, s, p), per_channel(role::bias, stored_channels(s.c)),
                    elements(role::skip, batch, s, p), elements(role::output, batch, s, p));
    return g;
}

inline operation_graph forward_sigmoid(int batch, shape s, precision p) {
    return {"sigmoid",
            {pointwise{CUDNN_POINTWISE_SIGMOID_FWD, elements(role::input, batch, s, p), {}, elements(role::output, batch, s, p)}}};
}

/// The gradient of a ReLU by its output, which is positive where its input was.
inline operation_graph backward_relu(int batch, shape s, precision p) {
    return {"relu backward",
            {pointwise{CUDNN_POINTWISE_RELU_BWD, elements(role::output, batch, s, p), elements(role::grad_output, batch, s, p),
                       elements(role::grad_input, batch, s, p)}}};
}

/// g y (1 - y), by the output y and its gradient g. cuDNN's own sigmoid backward wants the input, which nobody keeps.
inline operation_graph backward_sigmoid(int batch, shape s, precision p) {
    const tensor y = elements(role::output, batch, s, p), g = elements(role::grad_output, batch, s, p);
    const tensor slope = intermediate(0, y), drop = intermediate(1, y);
    return {"sigmoid backward", {pointwise{CUDNN_POINTWISE_MUL, y, g, slope}, pointwise{CUDNN_POINTWISE_MUL, slope, y, drop},
                                 pointwise{CUDNN_POINTWISE_SUB, slope, drop, elements(role::grad_input, batch, s, p)}}};
}

/// grad_input = grad_output + grad_skip: what one reader says of a value's gradient, added to what others said.
inline operation_graph add_gradients(int batch, shape s, precision p) {
    return {"add gradients",
            {pointwise{CUDNN_POINTWISE_ADD, elements(role::grad_output, batch, s, p), elements(role::grad_skip, batch, s, p),
                       elements(role::grad_input, batch, s, p)}}};
}

} // namespace umsrep::cuda
