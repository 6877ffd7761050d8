// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include <umsrep/loss/detail/check.hpp>
#include <umsrep/loss/detail/elementwise.hpp>
#include <umsrep/loss/target.hpp>

namespace umsrep::loss {
namespace detail {

/// (1 - t) x + (1 + (w - 1) t) log(1 + exp(-x)) per element; w is the channel's weight of positives.
struct bce_element {
    std::span<const double> pos_weight;

    point operator()(double x, double t, int channel) const {
        const double w = pos_weight.empty() ? 1.0 : pos_weight[static_cast<std::size_t>(channel)];
        const double positive = 1.0 + (w - 1.0) * t;
        const double e = std::exp(-std::abs(x)); // one exp serves softplus(-x) and sigmoid(-x)
        const double miss = (x >= 0.0 ? e : 1.0) / (1.0 + e);
        return {(1.0 - t) * x + positive * (std::max(-x, 0.0) + std::log1p(e)), (1.0 - t) - positive * miss};
    }
};

} // namespace detail

/// Binary cross-entropy of logits, the mean over all elements of the present samples. Logits and target (N, C, H, W), target in
/// [0, 1]. As PyTorch's BCEWithLogitsLoss.
struct bce {
    static constexpr target_kind target = target_kind::mask;
    static constexpr auto output = output_activation::sigmoid;

    std::vector<double> pos_weight = {}; ///< one factor per channel for the positives; empty: 1

    static constexpr shape target_shape(shape output_shape) { return output_shape; }
    static constexpr std::size_t scratch_size(int, shape) { return 0; }

    template <class T>
    double evaluate(tensor_view<const T> logits, tensor_view<const float> targets, std::span<const std::uint8_t> present,
                    double weight, tensor_view<std::type_identity_t<T>> gradient, std::span<double> = {}) const {
        detail::check_arguments("bce", logits, targets, target_shape(logits.s), present, gradient);
        detail::check_per_channel("bce pos_weight", pos_weight, logits.s.c);
        return detail::mean_over_present(logits, targets, present, weight, gradient, detail::write::replace,
                                         detail::unit_interval{"bce"}, detail::bce_element{pos_weight});
    }
};

/// Several findings at once, each present or not: logits and target (N, labels, 1, 1).
using multi_label_bce = with_target<bce, target_kind::multi_label>;

} // namespace umsrep::loss
