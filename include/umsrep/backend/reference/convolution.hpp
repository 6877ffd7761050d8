// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/operands.hpp>
#include <umsrep/backend/reference/correlation.hpp>

namespace umsrep::reference_ops {

/// out(n, k, y, x) = bias(k) + sum_{c, i, j} weight(k, c, i, j) in(n, c, y stride - padding + i dilation, x stride - padding + j dilation)
template <class T>
void forward_conv(const operands<T>& o) {
    correlate<T>(o.pool, correlation(*o.n), o.out.n, o.in[0].data, o.weight, o.bias, false, o.out.data, o.workspace);
}

/// Reads in[0] only for the gradient of the weight.
template <class T>
void backward_conv(const operands<T>& o) {
    const correlation c(*o.n);
    const int batch = o.grad_out.n;
    if (o.grad_in[0]) correlate_adjoint<T>(o.pool, c, batch, o.grad_out.data, o.weight, nullptr, o.accumulate[0], o.grad_in[0].data, o.workspace);
    if (o.grad_weight) correlate_weight_gradient<T>(o.pool, c, batch, o.in[0].data, o.grad_out.data, o.grad_weight, o.workspace);
    if (o.grad_bias) bias_gradient<T>(o.pool, batch, o.n->out.c, o.n->out.plane(), o.grad_out.data, o.grad_bias);
}

} // namespace umsrep::reference_ops
