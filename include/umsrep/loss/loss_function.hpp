// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include <umsrep/core/shape.hpp>
#include <umsrep/core/tensor_view.hpp>
#include <umsrep/loss/target.hpp>
#include <umsrep/loss/workspace.hpp>

namespace umsrep::loss {

/// What a head's loss must offer. `evaluate(logits, target, present, weight, gradient, room)`
///
///  - `logits` (N, C, H, W) of the network's scalar; `target` N times `target_shape(C, H, W)`, always float;
///  - `present[i] == 0`: sample i has no label; its target is not read, its gradient is exactly 0. Empty: every sample has one;
///  - returns the mean loss over the present samples, not multiplied by `weight`; 0 when there is none;
///  - writes `weight` * d loss / d logits to `gradient`, overwriting it, unless it is null;
///  - `room.scratch` holds at least `scratch_size(N, {C, H, W}, room.threads())` doubles; nothing is allocated;
///  - sums are in double and in an order that does not depend on the threads of `room`.
///
/// Throws `shape_mismatch` when the arguments do not fit each other, `label_error` when a present target is not of its kind
/// (naming the value and the sample), `option_error` when the loss's own options are not valid.
template <class L>
concept loss_function = std::default_initializable<L> && std::copyable<L> &&
    requires(const L loss, tensor_view<const float> logits, tensor_view<const float> target,
             std::span<const std::uint8_t> present, tensor_view<float> gradient, workspace room, shape s) {
    { L::target } -> std::convertible_to<target_kind>;
    { L::output } -> std::convertible_to<output_activation>;
    { L::target_shape(s) } -> std::same_as<shape>;
    { L::scratch_size(int{}, s, int{}) } -> std::same_as<std::size_t>;
    { loss.evaluate(logits, target, present, double{}, gradient, room) } -> std::same_as<double>;
};

} // namespace umsrep::loss
