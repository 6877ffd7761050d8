// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <umsrep/backend/cpu/depthwise.hpp>
#include <umsrep/backend/cpu/few_channels.hpp>
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

} // namespace umsrep::cpu_ops
