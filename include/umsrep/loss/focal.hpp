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
#include <umsrep/loss/target.hpp>

namespace umsrep::loss {
namespace detail {

inline void check_gamma(const char* option, double gamma) {
    if (!(gamma >= 0.0) || !std::isfinite(gamma)) throw option_error(option, "a finite value >= 0", text(gamma));
}

/// Below it 1 - p_t counts as this: a power of 0 has no slope, and one so small teaches nothing.
inline constexpr double least_miss = 1e-300;

} // namespace detail

/// Focal loss for yes-or-no outputs, -alpha_t (1 - p_t)^gamma log(p_t), the mean over all elements of the present samples: easy
/// elements count less. Logits and target (N, C, H, W), target in [0, 1]. Source: Lin et al., "Focal loss for dense object
/// detection", ICCV 2017, eq. 5; targets between 0 and 1 mix p_t and alpha_t linearly, as torchvision does.
struct focal {
    static constexpr target_kind target = target_kind::mask;
    static constexpr auto output = output_activation::sigmoid;

    double gamma = 2.0;
    std::optional<double> alpha = 0.25; ///< weight of the positives, 1 - alpha that of the negatives; none: both 1

    friend bool operator==(const focal&, const focal&) = default;
    static constexpr shape target_shape(shape output_shape) { return output_shape; }
    static constexpr std::size_t scratch_size(int, shape, int) { return 0; }

    template <class T>
    double evaluate(tensor_view<const T> logits, tensor_view<const float> targets, std::span<const std::uint8_t> present,
                    double weight, tensor_view<std::type_identity_t<T>> gradient, workspace room = {}) const {
        const detail::arguments<T> a{logits, targets, present, weight, gradient, room};
        a.check("focal", target_shape(logits.s), scratch_size(logits.n, logits.s, room.threads()));
        detail::check_gamma("focal gamma", gamma);
        if (alpha && !(*alpha >= 0.0 && *alpha <= 1.0))
            throw option_error("focal alpha", "a value in [0, 1]", detail::text(*alpha));
        return detail::mean_over_present(a, detail::unit_interval{"focal"},
                                         [this](const detail::pack& x, const detail::pack& t, std::ptrdiff_t) { return element(x, t); });
    }

private:
    template <class Pack>
    detail::points element(const Pack& x, const Pack& t) const {
        const detail::logistic at{x};
        const Pack alpha_t = alpha ? Pack(*alpha * t + (1.0 - *alpha) * (1.0 - t)) : Pack(Pack::Ones());
        const Pack entropy = (1.0 - t) * x + at.softplus_of_negative(x);
        const Pack miss = at.yes * (1.0 - t) + at.no * t; // 1 - p_t without cancellation
        const Pack log_miss = miss.max(detail::least_miss).log();
        const Pack focus = (gamma * log_miss).exp(); // miss^gamma
        // d miss / d x = (1 - 2 t) p q
        const Pack sharpen = gamma * ((gamma - 1.0) * log_miss).exp() * (1.0 - 2.0 * t) * at.yes * at.no * entropy;
        return {alpha_t * focus * entropy, alpha_t * (focus * (at.yes * (1.0 - t) - at.no * t) + sharpen)};
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

    friend bool operator==(const focal_cross_entropy&, const focal_cross_entropy&) = default;
    static constexpr shape target_shape(shape output_shape) { return {1, output_shape.h, output_shape.w}; }
    static constexpr std::size_t scratch_size(int, shape, int) { return 0; }

    template <class T>
    double evaluate(tensor_view<const T> logits, tensor_view<const float> targets, std::span<const std::uint8_t> present,
                    double weight, tensor_view<std::type_identity_t<T>> gradient, workspace room = {}) const {
        const detail::arguments<T> a{logits, targets, present, weight, gradient, room};
        a.check("focal_cross_entropy", target_shape(logits.s), scratch_size(logits.n, logits.s, room.threads()));
        detail::check_gamma("focal_cross_entropy gamma", gamma);
        detail::check_per_channel("focal_cross_entropy class_weights", class_weights, logits.s.c);

        const int classes = logits.s.c;
        const detail::class_labels labels{"focal_cross_entropy", classes, ignore_label};
        const double counted = detail::sum_of_weights(a, labels, [](int) { return 1.0; });
        const double scale = counted > 0.0 ? 1.0 / counted : 0.0;

        return scale * detail::sum_over_labelled(a, labels, [&](const detail::labelled_pixels<T>& at) {
            using pack = detail::pack_for<T>;
            const detail::softmax<T> p{at};
            const pack class_weight =
                at.of_label([&](int y) { return class_weights.empty() ? 1.0 : class_weights[static_cast<std::size_t>(y)]; });
            pack miss = pack::Zero(); // 1 - p_y, summed over the other classes: no cancellation
            for (int c = 0; c < classes; ++c) miss += at.of_label([c](int y) { return y == c ? 0.0 : 1.0; }) * p(c);
            const pack log_py = p.log_of_label(), log_miss = miss.max(detail::least_miss).log();
            const pack focus = (gamma * log_miss).exp(); // miss^gamma
            if (gradient) {
                // d value / d x_c = -slope * d log p_y / d x_c = slope * (p_c - [c = y])
                const pack sharpen = gamma * ((gamma - 1.0) * log_miss).exp() * log_py.exp() * log_py;
                const pack slope = weight * scale * class_weight * (focus - sharpen);
                for (int c = 0; c < classes; ++c) {
                    const pack is_label = at.of_label([c](int y) { return y == c ? 1.0 : 0.0; });
                    at.put(c, slope * ((1.0 - is_label) * p(c) - is_label * miss));
                }
            }
            return pack{class_weight * focus * -log_py};
        });
    }
};

} // namespace umsrep::loss
