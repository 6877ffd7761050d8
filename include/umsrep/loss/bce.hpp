// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include <umsrep/loss/detail/check.hpp>
#include <umsrep/loss/detail/elementwise.hpp>
#include <umsrep/loss/detail/entropy.hpp>
#include <umsrep/loss/target.hpp>

namespace umsrep::loss {

/// Binary cross-entropy of logits, the mean over all elements of the present samples. Logits and target (N, C, H, W), target in
/// [0, 1]. As PyTorch's BCEWithLogitsLoss.
struct bce {
    static constexpr target_kind target = target_kind::mask;
    static constexpr auto output = output_activation::sigmoid;

    std::vector<double> pos_weight = {}; ///< one factor per channel for the positives; empty: 1

    friend bool operator==(const bce&, const bce&) = default;
    static constexpr shape target_shape(shape output_shape) { return output_shape; }
    static constexpr std::size_t scratch_size(int, shape, int) { return 0; }

    template <class T>
    double evaluate(tensor_view<const T> logits, tensor_view<const float> targets, std::span<const std::uint8_t> present,
                    double weight, tensor_view<std::type_identity_t<T>> gradient, workspace room = {}) const {
        const detail::arguments<T> a{logits, targets, present, weight, gradient, room};
        a.check("bce", target_shape(logits.s), scratch_size(logits.n, logits.s, room.threads()));
        detail::check_per_channel("bce pos_weight", pos_weight, logits.s.c);
        const auto element = [&](const detail::pack& x, const detail::pack& t, std::ptrdiff_t first) {
            return detail::cross_entropy_of(detail::logistic{x}, x, t, detail::weights_of_channels(pos_weight, logits.s.plane(), first));
        };
        return detail::mean_over_present(a, detail::unit_interval{"bce"}, element);
    }
};

/// Several findings at once, each present or not: logits and target (N, labels, 1, 1).
using multi_label_bce = with_target<bce, target_kind::multi_label>;

} // namespace umsrep::loss
