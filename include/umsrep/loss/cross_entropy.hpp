// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include <umsrep/loss/detail/check.hpp>
#include <umsrep/loss/detail/classes.hpp>
#include <umsrep/loss/target.hpp>

namespace umsrep::loss {

/// Cross-entropy of softmax(logits) over channels, for one class per sample (H = W = 1) or per pixel. Logits (N, classes, H, W),
/// target (N, 1, H, W) of integers.
///
/// As PyTorch's CrossEntropyLoss: the weighted mean, sum of w[y] * loss / sum of w[y], over the labelled pixels of all present
/// samples together; smoothing mixes the label with the uniform distribution over classes (Szegedy et al., CVPR 2016). Unlike
/// PyTorch, the loss is 0 and not NaN when no pixel counts.
struct cross_entropy {
    static constexpr target_kind target = target_kind::class_index;
    static constexpr auto output = output_activation::softmax;

    std::vector<double> class_weights = {}; ///< one per class; empty: 1
    int ignore_label = -100;                ///< pixels (or samples) with this label do not count
    double label_smoothing = 0.0;           ///< in [0, 1]

    friend bool operator==(const cross_entropy&, const cross_entropy&) = default;
    static constexpr shape target_shape(shape output_shape) { return {1, output_shape.h, output_shape.w}; }
    static constexpr std::size_t scratch_size(int, shape, int) { return 0; }

    template <class T>
    double evaluate(tensor_view<const T> logits, tensor_view<const float> targets, std::span<const std::uint8_t> present,
                    double weight, tensor_view<std::type_identity_t<T>> gradient, workspace room = {}) const {
        const detail::arguments<T> a{logits, targets, present, weight, gradient, room};
        a.check("cross_entropy", target_shape(logits.s), scratch_size(logits.n, logits.s, room.threads()));
        detail::check_per_channel("cross_entropy class_weights", class_weights, logits.s.c);
        if (!(label_smoothing >= 0.0 && label_smoothing <= 1.0))
            throw option_error("cross_entropy label_smoothing", "a value in [0, 1]", detail::text(label_smoothing));

        const int classes = logits.s.c;
        const auto class_weight = [&](int c) { return class_weights.empty() ? 1.0 : class_weights[static_cast<std::size_t>(c)]; };
        double all_weights = 0.0;
        for (int c = 0; c < classes; ++c) all_weights += class_weight(c);

        const detail::class_labels labels{"cross_entropy", classes, ignore_label};
        const double counted = detail::sum_of_weights(a, labels, class_weight);
        const double scale = counted > 0.0 ? 1.0 / counted : 0.0;
        const double hard = 1.0 - label_smoothing, soft = label_smoothing / classes;

        return scale * detail::sum_over_labelled(a, labels, [&](const detail::labelled_pixels<T>& at) {
            using pack = detail::pack_for<T>;
            const detail::softmax<T> p{at};
            const pack hard_weight = hard * at.of_label(class_weight);
            pack value = hard_weight * -p.log_of_label();
            if (soft > 0.0)
                for (int c = 0; c < classes; ++c) value += soft * class_weight(c) * -p.log(c);
            if (gradient) {
                const pack mass = hard_weight + soft * all_weights;
                for (int c = 0; c < classes; ++c) {
                    const pack wanted = at.of_label([c](int y) { return y == c ? 1.0 : 0.0; }) * hard_weight + soft * class_weight(c);
                    at.put(c, weight * scale * (mass * p(c) - wanted));
                }
            }
            return value;
        });
    }
};

} // namespace umsrep::loss
