// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/graph/node.hpp>

namespace umsrep {

/// Families of operations that many networks do without. `cpu` compiles the kernels, for every set of instructions, of those that its type
/// names: compilers need seconds for the rest.
struct cpu_families {
    bool activations = true; ///< leaky ReLU, GELU, SiLU
    bool averages = true;    ///< average pools with windows
    bool depthwise = true;   ///< convolutions in which channels do not mix
    bool dropout = true;
    bool group_norm = true;
    bool upsampling = true;

    constexpr bool covers(const cpu_families& other) const {
        return (activations || !other.activations) && (averages || !other.averages) && (depthwise || !other.depthwise) &&
               (dropout || !other.dropout) && (group_norm || !other.group_norm) && (upsampling || !other.upsampling);
    }
};

/// What nearly every network is made of, and none of the families.
inline constexpr cpu_families core_families{false, false, false, false, false, false};

/// The families that a network's nodes need.
template <class Nodes>
constexpr cpu_families families_of(const Nodes& nodes) {
    cpu_families used = core_families;
    for (const node& n : nodes) {
        used.activations |= n.kind == op::leaky_relu || n.kind == op::gelu || n.kind == op::silu;
        used.averages |= n.kind == op::avg_pool;
        used.depthwise |= (n.kind == op::conv || n.kind == op::conv_transpose) && n.a.groups > 1;
        used.dropout |= n.kind == op::dropout;
        used.group_norm |= n.kind == op::group_norm;
        used.upsampling |= n.kind == op::upsample_nearest || n.kind == op::upsample_bilinear;
    }
    return used;
}

} // namespace umsrep
