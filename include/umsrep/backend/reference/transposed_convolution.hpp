// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/operands.hpp>
#include <umsrep/backend/reference/correlation.hpp>

namespace umsrep::reference_ops {

/// The adjoint of the convolution that maps `out` to `in`, plus bias: every input pixel adds its window of weights to the output.
/// Output padding only makes the output larger on the far side.
template <class T>
void forward_conv_transpose(const operands<T>& o) {
    correlate_adjoint<T>(o.pool, correlation(*o.n), o.out.n, o.in[0].data, o.weight, o.bias, false, o.out.data, o.workspace);
}

/// Reads in[0] only for the gradient of the weight.
template <class T>
void backward_conv_transpose(const operands<T>& o) {
    const correlation c(*o.n);
    const int batch = o.grad_out.n;
    if (o.grad_in[0]) correlate<T>(o.pool, c, batch, o.grad_out.data, o.weight, nullptr, o.accumulate[0], o.grad_in[0].data, o.workspace);
    if (o.grad_weight) correlate_weight_gradient<T>(o.pool, c, batch, o.grad_out.data, o.in[0].data, o.grad_weight, o.workspace);
    if (o.grad_bias) bias_gradient<T>(o.pool, batch, o.n->out.c, o.n->out.plane(), o.grad_out.data, o.grad_bias);
}

} // namespace umsrep::reference_ops
