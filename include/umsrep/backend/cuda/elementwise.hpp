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

} // namespace umsrep::cuda
