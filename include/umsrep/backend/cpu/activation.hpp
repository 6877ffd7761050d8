// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cpu/elementwise.hpp>

/// Activations of blocked and dense values; formulas and sources in reference/activation.hpp. What backward reads, the input or the output,
/// may be deferred; what it writes may be in two parts.
namespace umsrep::cpu_ops {

namespace detail {
inline void map_forward(void (*f)(const map_row&), const operands<float>& o, bool keeps_zero = true) {
    map_runs(f, o, o.sources[0], {}, whole(o.out.data, o.n->out), static_cast<float>(o.n->a.value), keeps_zero);
}
/// The gradient of the result is 0 where there is no channel, and so is that of the input.
inline void map_backward(void (*f)(const map_row&), const operands<float>& o, const parts<const float>& kept) {
    if (o.sinks[0]) map_runs(f, o, kept, whole(o.grad_out.data, o.n->out), o.sinks[0], static_cast<float>(o.n->a.value));
}
} // namespace detail

inline void forward_relu(const kernel_table& k, const operands<float>& o) { detail::map_forward(k.rows->relu, o); }
inline void backward_relu(const kernel_table& k, const operands<float>& o) {
    detail::map_backward(k.rows->relu_gradient, o, o.result);
}

inline void forward_leaky_relu(const kernel_table& k, const operands<float>& o) { detail::map_forward(activations(k).leaky_relu, o); }
inline void backward_leaky_relu(const kernel_table& k, const operands<float>& o) {
    detail::map_backward(activations(k).leaky_relu_gradient, o, o.result);
}

inline void forward_gelu(const kernel_table& k, const operands<float>& o) { detail::map_forward(activations(k).gelu, o); }
inline void backward_gelu(const kernel_table& k, const operands<float>& o) {
    detail::map_backward(activations(k).gelu_gradient, o, o.sources[0]);
}

inline void forward_silu(const kernel_table& k, const operands<float>& o) { detail::map_forward(activations(k).silu, o); }
inline void backward_silu(const kernel_table& k, const operands<float>& o) {
    detail::map_backward(activations(k).silu_gradient, o, o.sources[0]);
}

inline void forward_sigmoid(const kernel_table& k, const operands<float>& o) { detail::map_forward(k.rows->sigmoid, o, false); }
inline void backward_sigmoid(const kernel_table& k, const operands<float>& o) {
    detail::map_backward(k.rows->sigmoid_gradient, o, o.result);
}

} // namespace umsrep::cpu_ops
