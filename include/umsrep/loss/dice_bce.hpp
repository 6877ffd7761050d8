// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include <umsrep/loss/bce.hpp>
#include <umsrep/loss/dice.hpp>

namespace umsrep::loss {

/// dice_weight * dice + bce_weight * bce: Dice looks at the organ's overlap, cross-entropy keeps every pixel's gradient alive.
/// Logits and target (N, C, H, W), target in [0, 1]. The unweighted sum is that of Isensee et al., "nnU-Net", Nature Methods 2021.
struct dice_bce {
    static constexpr target_kind target = target_kind::mask;
    static constexpr auto output = output_activation::sigmoid;

    double dice_weight = 1.0, bce_weight = 1.0;
    double smooth = 1.0;                 ///< of dice
    std::vector<double> pos_weight = {}; ///< of bce

    static constexpr shape target_shape(shape output_shape) { return output_shape; }
    static constexpr std::size_t scratch_size(int, shape) { return 0; }

    template <class T>
    double evaluate(tensor_view<const T> logits, tensor_view<const float> targets, std::span<const std::uint8_t> present,
                    double weight, tensor_view<std::type_identity_t<T>> gradient, std::span<double> = {}) const {
        detail::check_arguments("dice_bce", logits, targets, target_shape(logits.s), present, gradient);
        detail::check_per_channel("dice_bce pos_weight", pos_weight, logits.s.c);
        const double overlap = detail::dice_over_present("dice_bce", smooth, logits, targets, present, weight * dice_weight,
                                                         gradient, detail::write::replace);
        const double entropy =
            detail::mean_over_present(logits, targets, present, weight * bce_weight, gradient, detail::write::add,
                                      detail::unit_interval{"dice_bce"}, detail::bce_element{pos_weight});
        return dice_weight * overlap + bce_weight * entropy;
    }
};

} // namespace umsrep::loss
