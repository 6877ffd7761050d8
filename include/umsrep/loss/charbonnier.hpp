// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include <umsrep/loss/detail/check.hpp>
#include <umsrep/loss/detail/elementwise.hpp>
#include <umsrep/loss/target.hpp>

namespace umsrep::loss {

/// sqrt(d^2 + epsilon^2), the mean over all elements of the present samples: absolute error with a rounded tip. Output and target
/// (N, C, H, W). Source: Charbonnier et al., ICIP 1994; Lai et al., "LapSRN", CVPR 2017.
struct charbonnier {
    static constexpr target_kind target = target_kind::image;
    static constexpr auto output = output_activation::none;

    double epsilon = 1e-3; ///< in the unit of the image

    friend bool operator==(const charbonnier&, const charbonnier&) = default;
    static constexpr shape target_shape(shape output_shape) { return output_shape; }
    static constexpr std::size_t scratch_size(int, shape, int) { return 0; }

    template <class T>
    double evaluate(tensor_view<const T> logits, tensor_view<const float> targets, std::span<const std::uint8_t> present,
                    double weight, tensor_view<std::type_identity_t<T>> gradient, workspace room = {}) const {
        const detail::arguments<T> a{logits, targets, present, weight, gradient, room};
        a.check("charbonnier", target_shape(logits.s), scratch_size(logits.n, logits.s, room.threads()));
        if (!(epsilon > 0.0) || !std::isfinite(epsilon))
            throw option_error("charbonnier epsilon", "a finite value > 0", detail::text(epsilon));
        const auto element = [this](const auto& x, const auto& t, std::ptrdiff_t) {
            const detail::pack_for<T> d = x - t, root = (d * d + epsilon * epsilon).sqrt();
            return detail::points{root, d / root};
        };
        return detail::mean_over_present(a, detail::finite{"charbonnier"}, element);
    }
};

using scalar_charbonnier = with_target<charbonnier, target_kind::scalar>;

} // namespace umsrep::loss
