// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <umsrep/backend/cpu/depthwise.hpp>
#include <umsrep/backend/cpu/few_channels.hpp>
#include <umsrep/backend/cpu/pooling.hpp>
#include <umsrep/backend/cpu/winograd.hpp>

namespace umsrep::cpu_ops {

/// How a convolution is computed.
enum class way : std::uint8_t { depthwise, few_channels, winograd, direct };

/// The way of a pass of the map, or of its adjoint. `allowed`: Winograd's method is.
constexpr way way_of_pass(const correlation& map, bool adjoint, bool allowed) {
    if (suits_depthwise(map)) return way::depthwise;
    if (suits_few_channels(map, adjoint)) return way::few_channels;
    return allowed && suits_winograd(map) ? way::winograd : way::direct;
}

/// The way of the gradient of the weights; `transposed`: of a transposed convolution.
constexpr way way_of_weights(const correlation& map, bool transposed, bool allowed) {
    if (suits_depthwise(map)) return way::depthwise;
    if (suits_few_channels(map)) return way::few_channels;
    return allowed && suits_winograd(map) && !transposed ? way::winograd : way::direct;
}

/// A pool of 2 x 2 results each.
constexpr bool pools_pairs(const node& n) {
    return n.kind == op::max_pool && n.a.kernel == extent{2} && n.a.stride == extent{2} && n.a.padding == extent{0} && n.a.dilation == extent{1} &&
           pools_blocks(n);
}
/// Whether a convolution by Winograd's method does n as well, a pool of what it and the norm and ReLU behind it give, while its results are in registers.
template <bool Allowed>
constexpr bool joins(const node& conv, const node& n) {
    return conv.kind == op::conv && n.in == conv.out && pools_pairs(n) && way_of_pass(correlation_of(conv, 1), false, Allowed) == way::winograd;
}

} // namespace umsrep::cpu_ops
