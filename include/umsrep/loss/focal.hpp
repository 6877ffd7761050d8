// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include <umsrep/loss/detail/check.hpp>
#include <umsrep/loss/detail/classes.hpp>
#include <umsrep/loss/detail/elementwise.hpp>
#include <umsrep/loss/detail/logistic.hpp>
#include <umsrep/loss/target.hpp>

namespace umsrep::loss {
namespace detail {

inline void check_gamma(const char* option, double gamma) {
    if (!(gamma >= 0.0) || !std::isfinite(gamma)) throw option_error(option, "a finite value >= 0", text(gamma));
}

} // namespace detail

/// Focal loss for yes-or-no outputs, -alpha_t (1 - p_t)^gamma log(p_t), the mean over all elements of the present samples: easy
/// elements count less. Logits and target (N, C, H, W), target in [0, 1]. Source: Lin et al., "Focal loss for dense object
/// detection", ICCV 2017, eq. 5; targets between 0 and 1 mix p_t and alpha_t linearly, as torchvision does.
struct focal {
    static constexpr target_kind target = target_kind::mask;
    static constexpr auto output = output_activation::sigmoid;

    double gamma = 2.0;
    std::optional<double> alpha = 0.25; ///< weight of the positives, 1 - alpha that of the negatives; none: both 1

    static constexpr shape target_shape(shape output_shape) { return output_shape; }
    static constexpr std::size_t scratch_size(int, shape) { return 0; }

    template <class T>
    double evaluate(tensor_view<const T> logits, tensor_view<const float> targets, std::span<const std::uint8_t> present,
                    double weight, tensor_view<std::type_identity_t<T>> gradient, std::span<double> = {}) const {
        detail::check_arguments("focal", logits, targets, target_shape(logits.s), present, gradient);
        detail::check_gamma("focal gamma", gamma);
        if (alpha && !(*alpha >= 0.0 && *alpha <= 1.0))
            throw option_error("focal alpha", "a value in [0, 1]", detail::text(*alpha));
        return detail::mean_over_present(logits, targets, present, weight, gradient, detail::write::replace,
                                         detail::unit_interval{"focal"},
                                         [this](double x, double t, int) { return element(x, t); });
    }

private:
    detail::point element(double x, double t) const {
        const double p = detail::sigmoid(x), q = detail::sigmoid(-x);
        const double alpha_t = alpha ? *alpha * t + (1.0 - *alpha) * (1.0 - t) : 1.0;
        const double entropy = (1.0 - t) * x + detail::softplus(-x);
        const double miss = p * (1.0 - t) + q * t; // 1 - p_t without cancellation
        const double focus = std::pow(miss, gamma);
        // d miss / d x = (1 - 2 t) p q; its power vanishes with `miss`, and gamma = 0 has no such term.
        const double sharpen = miss > 0.0 && gamma > 0.0 ? gamma * (focus / miss) * (1.0 - 2.0 * t) * p * q * entropy : 0.0;
        return {alpha_t * focus * entropy, alpha_t * (focus * (p * (1.0 - t) - q * t) + sharpen)};
    }
};

using multi_label_focal = with_target<focal, target_kind::multi_label>;

/// Focal loss over softmax, -w[y] (1 - p_y)^gamma log(p_y), the plain mean over the labelled pixels of the present samples.
/// Logits (N, classes, H, W), target (N, 1, H, W) of integers. Source: Lin et al., ICCV 2017, eq. 5, with the class's weight as
/// alpha. With gamma = 0 and no weights it is `cross_entropy`; with weights it is not, because that divides by their sum.
struct focal_cross_entropy {
    static constexpr target_kind target = target_kind::class_index;
    static constexpr auto output = output_activation::softmax;

    double gamma = 2.0;
    std::vector<double> class_weights = {}; ///< one per class; empty: 1
    int ignore_label = -100;                ///< pixels (or samples) with this label do not count

    static constexpr shape target_shape(shape output_shape) { return {1, output_shape.h, output_shape.w}; }
    static constexpr std::size_t scratch_size(int, shape) { return 0; }

    template <class T>
    double evaluate(tensor_view<const T> logits, tensor_view<const float> targets, std::span<const std::uint8_t> present,
                    double weight, tensor_view<std::type_identity_t<T>> gradient, std::span<double> = {}) const {
        detail::check_arguments("focal_cross_entropy", logits, targets, target_shape(logits.s), present, gradient);
        detail::check_gamma("focal_cross_entropy gamma", gamma);
        detail::check_per_channel("focal_cross_entropy class_weights", class_weights, logits.s.c);

        const int classes = logits.s.c;
        const detail::class_labels labels{"focal_cross_entropy", classes, ignore_label};
        const double counted = labels.sum(targets, present, [](int) { return 1.0; });
        const double scale = counted > 0.0 ? 1.0 / counted : 0.0;

        const auto pixel = [&](detail::softmax_at<T> p, int y, auto put) {
            const double class_weight = class_weights.empty() ? 1.0 : class_weights[static_cast<std::size_t>(y)];
            double miss = 0.0; // 1 - p_y, summed over the other classes: no cancellation
            for (int c = 0; c < classes; ++c)
                if (c != y) miss += p(c);
            const double focus = std::pow(miss, gamma);
            if (gradient) {
                // d value / d x_c = -slope * d log p_y / d x_c = slope * (p_c - [c = y])
                const double sharpen = miss > 0.0 && gamma > 0.0 ? gamma * (focus / miss) * p(y) * p.log(y) : 0.0;
                const double slope = weight * scale * class_weight * (focus - sharpen);
                for (int c = 0; c < classes; ++c) put(c, c == y ? -slope * miss : slope * p(c));
            }
            return class_weight * focus * -p.log(y);
        };
        return scale * detail::for_each_labelled(logits, targets, present, gradient, labels, pixel);
    }
};

} // namespace umsrep::loss
