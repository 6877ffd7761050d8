// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include <umsrep/loss/detail/check.hpp>
#include <umsrep/loss/detail/elementwise.hpp>
#include <umsrep/loss/target.hpp>

namespace umsrep::loss {

/// Mean squared error over all elements of the present samples. Output and target (N, C, H, W).
struct l2 {
    static constexpr target_kind target = target_kind::image;
    static constexpr auto output = output_activation::none;

    friend bool operator==(const l2&, const l2&) = default;
    static constexpr shape target_shape(shape output_shape) { return output_shape; }
    static constexpr std::size_t scratch_size(int, shape, int) { return 0; }

    template <class T>
    double evaluate(tensor_view<const T> logits, tensor_view<const float> targets, std::span<const std::uint8_t> present,
                    double weight, tensor_view<std::type_identity_t<T>> gradient, workspace room = {}) const {
        const detail::arguments<T> a{logits, targets, present, weight, gradient, room};
        a.check("l2", target_shape(logits.s), scratch_size(logits.n, logits.s, room.threads()));
        return detail::mean_over_present(a, detail::finite{"l2"}, [](const auto& x, const auto& t, std::ptrdiff_t) {
            const detail::pack_for<T> d = x - t;
            return detail::points{d * d, 2.0 * d};
        });
    }
};

using scalar_l2 = with_target<l2, target_kind::scalar>;

} // namespace umsrep::loss
