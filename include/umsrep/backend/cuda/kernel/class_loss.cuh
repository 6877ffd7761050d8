// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/loss.cuh>
#include <umsrep/backend/cuda/kernel/softmax.cuh>

/// Losses of softmax(logits) with one label per pixel (or per sample of one pixel): label_weights, share_of_labels, the loss itself,
/// which leaves a value per pixel, sum_values, loss_total.
namespace umsrep::cuda::kernel {

/// The targets (N, 1, H, W), which classes they may name, and what each weighs.
struct labels {
    const float* target;
    presence present;
    u32 classes;
    int ignore;
    const float* class_weights; ///< null: 1

    UMSREP_DEVICE bool accepts(float value) const {
        return value == static_cast<float>(ignore) || (value >= 0 && value < static_cast<float>(classes) && value == ::floorf(value));
    }
    /// The class of a pixel, -1 where none counts.
    UMSREP_DEVICE int at(const extents& e, u32 pixel) const {
        if (!present[pixel / e.plane()]) return -1;
        const float value = target[pixel];
        return accepts(value) && value != static_cast<float>(ignore) ? static_cast<int>(value) : -1;
    }
    UMSREP_DEVICE float weight(u32 c) const { return class_weights != nullptr ? class_weights[c] : 1; }
};

/// The sums of the labels' weights, and how many labels were refused, of each piece, by `reduce`.
struct label_weights {
    labels label;
    extents e;
    two_steps step; ///< cut(e.pixels(), ...)
    loss_sum* to;

    using sums = loss_sum;
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return step.count; }
    UMSREP_DEVICE u32 length() const { return step.length; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32 piece, u32 term) const {
        const long long i = static_cast<long long>(piece) * step.length + term;
        if (i >= e.pixels()) return;
        const u32 pixel = static_cast<u32>(i);
        if (const int y = label.at(e, pixel); y >= 0) s.value += static_cast<double>(label.weight(static_cast<u32>(y)));
        else if (label.present[pixel / e.plane()] && !label.accepts(label.target[pixel])) ++s.refused;
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.merge(from); }
    UMSREP_DEVICE void finish(u32 piece, const sums& all) const { to[piece] = all; }
};

/// 1 / sum of the labels' weights from the pieces, by `reduce`.
struct share_of_labels {
    u32 count; ///< of pieces
    const loss_sum* from;
    gradient_factors factors;
    loss_share* to;

    using sums = loss_sum;
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return 1; }
    UMSREP_DEVICE u32 length() const { return count; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32, u32 i) const { s.merge(from[i]); }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.merge(from); }
    UMSREP_DEVICE void finish(u32, const sums& all) const {
        const double share = all.value > 0 ? 1 / all.value : 0;
        *to = {share, static_cast<float>(share * static_cast<double>(factors())), all.refused};
    }
};

/// The values of pixels, added over pieces, by `reduce`.
struct sum_values {
    long long size;
    two_steps step; ///< cut(size, ...)
    const float* from;
    loss_sum* to;

    using sums = loss_sum;
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return step.count; }
    UMSREP_DEVICE u32 length() const { return step.length; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32 piece, u32 term) const {
        const long long i = static_cast<long long>(piece) * step.length + term;
        if (i < size) s.value += static_cast<double>(from[i]);
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.merge(from); }
    UMSREP_DEVICE void finish(u32 piece, const sums& all) const { to[piece] = all; }
};

/// Cross-entropy with label smoothing (Szegedy et al., CVPR 2016) at each pixel, and its gradient, by `reduce`:
///   hard w_y -log p_y + soft sum of w_c -log p_c.
template <class T>
struct cross_entropy {
    labels label;
    float hard, soft, all_weights; ///< 1 - smoothing; smoothing / classes; sum of the classes' weights
    extents e;
    pixels<const T> logits;
    const loss_share* share;
    float* values;      ///< one per pixel
    pixels<T> gradient; ///< data null: not wanted; other memory than `logits`

    struct sums {
        exp_sum all;
        double weighted; ///< sum of w_c x_c
    };
    static constexpr bool applies = true;
    UMSREP_DEVICE long long outputs() const { return e.pixels(); }
    UMSREP_DEVICE u32 length() const { return e.c; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32 pixel, u32 c) const {
        const float x = to_float(*logits.at(pixel, c));
        s.all.add(x);
        if (soft > 0) s.weighted += static_cast<double>(label.weight(c)) * static_cast<double>(x);
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) {
        to.all.merge(from.all);
        to.weighted += from.weighted;
    }
    UMSREP_DEVICE void finish(u32 pixel, const sums& s) const {
        values[pixel] = 0;
        const int y = label.at(e, pixel);
        if (y < 0) return;
        const double log_sum = static_cast<double>(::logf(s.all.total)), top = static_cast<double>(s.all.largest);
        const double of_label = log_sum + (top - static_cast<double>(to_float(*logits.at(pixel, static_cast<u32>(y)))));
        double value = static_cast<double>(hard * label.weight(static_cast<u32>(y))) * of_label;
        if (soft > 0) value += static_cast<double>(soft) * (static_cast<double>(all_weights) * (top + log_sum) - s.weighted);
        values[pixel] = static_cast<float>(value);
    }
    UMSREP_DEVICE void apply(u32 pixel, u32 c, const sums& s) const {
        if (gradient.data == nullptr) return;
        const int y = label.at(e, pixel);
        float slope = 0;
        if (y >= 0) {
            const float hard_weight = hard * label.weight(static_cast<u32>(y)), mass = hard_weight + soft * all_weights;
            const float p = ::expf(to_float(*logits.at(pixel, c)) - s.all.largest) / s.all.total;
            slope = mass * p - (static_cast<u32>(y) == c ? hard_weight : 0) - soft * label.weight(c);
        }
        *gradient.at(pixel, c) = number<T>::from(share->step * slope);
    }
};

/// Focal loss over softmax at each pixel, w_y (1 - p_y)^gamma -log p_y, and its gradient, by `reduce`. Its share is over the number of
/// labels: label_weights without weights. Source: Lin et al., ICCV 2017, eq. 5, with the class's weight as alpha.
template <class T>
struct focal_cross_entropy {
    labels label;
    float gamma;
    extents e;
    pixels<const T> logits;
    const loss_share* share;
    float* values;
    pixels<T> gradient; ///< data null: not wanted; other memory than `logits`

    struct sums {
        exp_sum all, others; ///< others: without the label's class, so that 1 - p_y is a sum and no difference
    };
    static constexpr bool applies = true;
    UMSREP_DEVICE long long outputs() const { return e.pixels(); }
    UMSREP_DEVICE u32 length() const { return e.c; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32 pixel, u32 c) const {
        const float x = to_float(*logits.at(pixel, c));
        s.all.add(x);
        if (static_cast<int>(c) != label.at(e, pixel)) s.others.add(x);
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) {
        to.all.merge(from.all);
        to.others.merge(from.others);
    }
    UMSREP_DEVICE void finish(u32 pixel, const sums& s) const {
        const int y = label.at(e, pixel);
        values[pixel] = y < 0 ? 0 : label.weight(static_cast<u32>(y)) * ::powf(counted_miss(s), gamma) * -log_p(pixel, static_cast<u32>(y), s);
    }
    UMSREP_DEVICE void apply(u32 pixel, u32 c, const sums& s) const {
        if (gradient.data == nullptr) return;
        const int label_class = label.at(e, pixel);
        float slope = 0;
        if (label_class >= 0) {
            const u32 y = static_cast<u32>(label_class);
            const float log_py = log_p(pixel, y, s);
            const float sharpen = gamma * ::powf(counted_miss(s), gamma - 1) * ::expf(log_py) * log_py;
            // d value / d x_c = slope * (p_c - [c = y])
            slope = label.weight(y) * (::powf(counted_miss(s), gamma) - sharpen) * (c == y ? -miss(s) : ::expf(log_p(pixel, c, s)));
        }
        *gradient.at(pixel, c) = number<T>::from(share->step * slope);
    }

private:
    UMSREP_DEVICE float log_p(u32 pixel, u32 c, const sums& s) const {
        return (to_float(*logits.at(pixel, c)) - s.all.largest) - ::logf(s.all.total);
    }
    UMSREP_DEVICE static float miss(const sums& s) {
        return s.others.total == 0 ? 0 : s.others.total * ::expf(s.others.largest - s.all.largest) / s.all.total;
    }
    UMSREP_DEVICE static float counted_miss(const sums& s) { return largest(miss(s), least_miss); }
};

} // namespace umsrep::cuda::kernel
