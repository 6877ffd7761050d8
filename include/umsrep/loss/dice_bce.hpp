// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include <umsrep/loss/detail/overlap.hpp>
#include <umsrep/loss/target.hpp>

namespace umsrep::loss {

/// dice_weight * dice + bce_weight * bce: Dice looks at the organ's overlap, cross-entropy keeps every pixel's gradient alive.
/// Logits and target (N, C, H, W), target in [0, 1]. The unweighted sum is that of Isensee et al., "nnU-Net", Nature Methods 2021.
struct dice_bce {
    static constexpr target_kind target = target_kind::mask;
    static constexpr auto output = output_activation::sigmoid;

    double dice_weight = 1.0, bce_weight = 1.0;
    double smooth = 1.0;                 ///< of dice
    std::vector<double> pos_weight = {}; ///< of bce

    friend bool operator==(const dice_bce&, const dice_bce&) = default;
    static constexpr shape target_shape(shape output_shape) { return output_shape; }
    static constexpr std::size_t scratch_size(int n, shape s, int) { return detail::overlap<true>::scratch_size(n, s); }

    template <class T>
    double evaluate(tensor_view<const T> logits, tensor_view<const float> targets, std::span<const std::uint8_t> present,
                    double weight, tensor_view<std::type_identity_t<T>> gradient, workspace room = {}) const {
        const detail::arguments<T> a{logits, targets, present, weight, gradient, room};
        a.check("dice_bce", target_shape(logits.s), scratch_size(logits.n, logits.s, room.threads()));
        detail::check_per_channel("dice_bce pos_weight", pos_weight, logits.s.c);
        return detail::overlap<true>{"dice_bce", smooth, dice_weight, bce_weight, pos_weight}(a);
    }
};

} // namespace umsrep::loss
