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
namespace detail {

struct l1_element {
    template <class Pack>
    points operator()(const Pack& x, const Pack& t, std::ptrdiff_t) const {
        const Pack d = x - t;
        return {d.abs(), sign(d)};
    }
};

} // namespace detail

/// Mean absolute error over all elements of the present samples. Output and target (N, C, H, W). The slope at 0 is 0.
struct l1 {
    static constexpr target_kind target = target_kind::image;
    static constexpr auto output = output_activation::none;

    friend bool operator==(const l1&, const l1&) = default;
    static constexpr shape target_shape(shape output_shape) { return output_shape; }
    static constexpr std::size_t scratch_size(int, shape, int) { return 0; }

    template <class T>
    double evaluate(tensor_view<const T> logits, tensor_view<const float> targets, std::span<const std::uint8_t> present,
                    double weight, tensor_view<std::type_identity_t<T>> gradient, workspace room = {}) const {
        const detail::arguments<T> a{logits, targets, present, weight, gradient, room};
        a.check("l1", target_shape(logits.s), scratch_size(logits.n, logits.s, room.threads()));
        return detail::mean_over_present(a, detail::finite{"l1"}, detail::l1_element{});
    }
};

using scalar_l1 = with_target<l1, target_kind::scalar>;

} // namespace umsrep::loss
