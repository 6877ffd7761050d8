// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include <umsrep/loss/detail/overlap.hpp>
#include <umsrep/loss/target.hpp>

namespace umsrep::loss {
/// Soft Dice loss of sigmoid(logits), 1 - (2 sum(p t) + smooth) / (sum(p) + sum(t) + smooth) for each sample and channel, then
/// the mean, so that a small organ weighs as much as a large one. Logits and target (N, C, H, W), target in [0, 1]. Source:
/// Milletari et al., "V-Net", 3DV 2016, with plain sums below as in Drozdzal et al., 2016.
struct dice {
    static constexpr target_kind target = target_kind::mask;
    static constexpr auto output = output_activation::sigmoid;

    double smooth = 1.0; ///< keeps an empty mask finite: finding nothing in it costs nothing

    friend bool operator==(const dice&, const dice&) = default;
    static constexpr shape target_shape(shape output_shape) { return output_shape; }
    static constexpr std::size_t scratch_size(int n, shape s, int) { return detail::overlap<false>::scratch_size(n, s); }

    template <class T>
    double evaluate(tensor_view<const T> logits, tensor_view<const float> targets, std::span<const std::uint8_t> present,
                    double weight, tensor_view<std::type_identity_t<T>> gradient, workspace room = {}) const {
        const detail::arguments<T> a{logits, targets, present, weight, gradient, room};
        a.check("dice", target_shape(logits.s), scratch_size(logits.n, logits.s, room.threads()));
        return detail::overlap<false>{"dice", smooth, 1.0, 0.0, {}}(a);
    }
};

} // namespace umsrep::loss
