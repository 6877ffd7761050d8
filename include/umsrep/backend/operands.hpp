// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>

#include <umsrep/core/random.hpp>
#include <umsrep/core/tensor_view.hpp>
#include <umsrep/graph/node.hpp>

namespace umsrep {

class thread_pool;

/// Everything that one op reads and writes, forward and backward. A pointer or view that is null is not there (no bias) or not
/// wanted (the gradient of a frozen weight, of the network's input).
template <class T>
struct operands {
    const node* n = nullptr;
    thread_pool* pool = nullptr;
    T* workspace = nullptr;                 ///< at least workspace_size(node, batch) elements

    std::array<tensor_view<const T>, 2> in; ///< forward; backward too where the op needs it (see graph/differentiate.hpp)
    tensor_view<T> out;                     ///< forward writes; backward reads where the op needs it

    const T* weight = nullptr;
    const T* bias = nullptr;
    T* running_mean = nullptr;
    T* running_var = nullptr;
    T* saved_mean = nullptr;                ///< batch_norm: batch statistics kept from forward to backward, `c` elements each
    T* saved_rstd = nullptr;                ///< 1 / sqrt(var + eps)

    bool training = false;                  ///< dropout drops
    bool batch_statistics = false;          ///< batch_norm normalises by the batch and moves its running statistics
    const random_stream* random = nullptr;  ///< dropout: element i of the batch uses random->at(i), forward and backward alike

    tensor_view<const T> grad_out;
    std::array<tensor_view<T>, 2> grad_in;
    std::array<bool, 2> accumulate{};       ///< add to grad_in[i] instead of overwriting it
    T* grad_weight = nullptr;               ///< overwritten
    T* grad_bias = nullptr;                 ///< overwritten
};

} // namespace umsrep
