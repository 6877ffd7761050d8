// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <umsrep/graph/node.hpp>

/// Single nodes, with shapes and numbers of parameters as the layers would be lowered; slots have sizes and no places.
namespace umsrep::test {

/// A window with every extent given, as the layers would lower it.
inline node window_node(op kind, shape in, int channels, attributes a) {
    node n;
    n.kind = kind;
    n.in = in;
    n.a = a;
    const auto conv = [](int size, int k, int s, int p, int d) { return (size + 2 * p - d * (k - 1) - 1) / s + 1; };
    const auto transposed = [](int size, int k, int s, int p, int d, int extra) {
        return (size - 1) * s - 2 * p + d * (k - 1) + 1 + extra;
    };
    if (kind == op::conv_transpose)
        n.out = {channels, transposed(in.h, a.kernel.h, a.stride.h, a.padding.h, a.dilation.h, a.output_padding.h),
                 transposed(in.w, a.kernel.w, a.stride.w, a.padding.w, a.dilation.w, a.output_padding.w)};
    else
        n.out = {channels, conv(in.h, a.kernel.h, a.stride.h, a.padding.h, a.dilation.h),
                 conv(in.w, a.kernel.w, a.stride.w, a.padding.w, a.dilation.w)};
    const int other = kind == op::conv ? in.c : channels;
    if (kind == op::conv || kind == op::conv_transpose) {
        n.weight.size = std::ptrdiff_t{kind == op::conv ? channels : in.c} * (other / a.groups) * a.kernel.h * a.kernel.w;
        n.bias.size = a.bias ? channels : 0;
    }
    return n;
}

inline node plain_node(op kind, shape in, attributes a = {}) {
    node n;
    n.kind = kind;
    n.in = n.out = in;
    n.a = a;
    if ((kind == op::batch_norm || kind == op::group_norm) && a.affine) n.weight.size = n.bias.size = in.c;
    return n;
}

inline node global_node(shape in) {
    node n = plain_node(op::global_avg_pool, in);
    n.out = {in.c, 1, 1};
    return n;
}

inline node upsample_node(op kind, shape in, extent factor) {
    node n = plain_node(kind, in, {.kernel = factor});
    n.out = {in.c, in.h * factor.h, in.w * factor.w};
    return n;
}

inline node linear_node(shape in, int outputs, bool bias) {
    node n = plain_node(op::linear, in, {.bias = bias});
    n.out = {outputs, 1, 1};
    n.weight.size = outputs * in.size();
    n.bias.size = bias ? outputs : 0;
    return n;
}

inline node concat_node(shape first, int second) {
    node n = plain_node(op::concat, first);
    n.out.c += second;
    return n;
}

} // namespace umsrep::test
