// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include <umsrep/loss/detail/check.hpp>
#include <umsrep/loss/detail/elementwise.hpp>
#include <umsrep/loss/detail/logistic.hpp>
#include <umsrep/loss/target.hpp>

namespace umsrep::loss {
namespace detail {

/// The mean of 1 - (2 sum(p t) + smooth) / (sum(p) + sum(t) + smooth) over the channels of the present samples.
template <class T>
double dice_over_present(std::string_view loss, double smooth, tensor_view<const T> logits, tensor_view<const float> target,
                         std::span<const std::uint8_t> present, double weight, tensor_view<T> gradient, write mode) {
    if (!(smooth >= 0.0) || !std::isfinite(smooth))
        throw option_error(std::string{loss} + " smooth", "a finite value >= 0", text(smooth));
    const unit_interval check{loss};
    const int count = count_present(present, logits.n);
    const double scale = count == 0 ? 0.0 : 1.0 / (static_cast<double>(count) * logits.s.c);
    const std::ptrdiff_t size = logits.s.plane();
    double total = 0.0;
    for (int i = 0; i < logits.n; ++i) {
        if (!is_present(present, i)) {
            clear_sample(gradient, i);
            continue;
        }
        for (int c = 0; c < logits.s.c; ++c) {
            const T* x = logits.plane(i, c);
            const float* t = target.plane(i, c);
            double both = 0.0, predicted = 0.0, wanted = 0.0;
            for (std::ptrdiff_t j = 0; j < size; ++j) {
                check(t[j], i);
                const double p = sigmoid(static_cast<double>(x[j]));
                both += p * static_cast<double>(t[j]);
                predicted += p;
                wanted += static_cast<double>(t[j]);
            }
            const double above = 2.0 * both + smooth, below = predicted + wanted + smooth;
            const double overlap = below > 0.0 ? above / below : 1.0; // nothing wanted, nothing found, nothing smoothed
            total += 1.0 - overlap;
            if (!gradient) continue;
            const double step = below > 0.0 ? weight * scale / below : 0.0;
            for (std::ptrdiff_t j = 0; j < size; ++j) {
                const double z = static_cast<double>(x[j]);
                put(gradient.plane(i, c)[j], step * (overlap - 2.0 * static_cast<double>(t[j])) * sigmoid(z) * sigmoid(-z), mode);
            }
        }
    }
    return total * scale;
}

} // namespace detail

/// Soft Dice loss of sigmoid(logits), 1 - (2 sum(p t) + smooth) / (sum(p) + sum(t) + smooth) for each sample and channel, then
/// the mean, so that a small organ weighs as much as a large one. Logits and target (N, C, H, W), target in [0, 1]. Source:
/// Milletari et al., "V-Net", 3DV 2016, with plain sums below as in Drozdzal et al., 2016.
struct dice {
    static constexpr target_kind target = target_kind::mask;
    static constexpr auto output = output_activation::sigmoid;

    double smooth = 1.0; ///< keeps an empty mask finite: finding nothing in it costs nothing

    static constexpr shape target_shape(shape output_shape) { return output_shape; }
    static constexpr std::size_t scratch_size(int, shape) { return 0; }

    template <class T>
    double evaluate(tensor_view<const T> logits, tensor_view<const float> targets, std::span<const std::uint8_t> present,
                    double weight, tensor_view<std::type_identity_t<T>> gradient, std::span<double> = {}) const {
        detail::check_arguments("dice", logits, targets, target_shape(logits.s), present, gradient);
        return detail::dice_over_present("dice", smooth, logits, targets, present, weight, gradient, detail::write::replace);
    }
};

} // namespace umsrep::loss
