// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/loss.cuh>

namespace umsrep::cuda::kernel {

/// A loss and its derivative at one element.
struct point {
    float value, slope;
};

struct l1_loss {
    UMSREP_DEVICE static bool accepts(float target) { return is_finite(target); }
    UMSREP_DEVICE point operator()(float x, float t, u32) const {
        const float d = x - t;
        return {::fabsf(d), d > 0 ? 1.0f : d < 0 ? -1.0f : d - d}; // 0 at 0; a NaN stays one
    }
};

struct l2_loss {
    UMSREP_DEVICE static bool accepts(float target) { return is_finite(target); }
    UMSREP_DEVICE point operator()(float x, float t, u32) const { return {(x - t) * (x - t), 2 * (x - t)}; }
};

/// sqrt(d^2 + epsilon^2). Source: Charbonnier et al., ICIP 1994.
struct charbonnier_loss {
    float epsilon;
    UMSREP_DEVICE static bool accepts(float target) { return is_finite(target); }
    UMSREP_DEVICE point operator()(float x, float t, u32) const {
        const float d = x - t, root = ::sqrtf(d * d + epsilon * epsilon);
        return {root, d / root};
    }
};

/// The logistic function and its logarithm without overflow or cancellation, from one exp.
struct logistic {
    float e;       ///< exp(-|x|)
    float yes, no; ///< sigmoid(x) and sigmoid(-x)

    UMSREP_DEVICE explicit logistic(float x) : e(::expf(-::fabsf(x))), yes((x > 0 ? 1 : e) / (1 + e)), no((x > 0 ? e : 1) / (1 + e)) {}
    /// log(1 + exp(-x))
    UMSREP_DEVICE float softplus_of_negative(float x) const { return (x < 0 ? -x : 0) + ::log1pf(e); }
};

/// Binary cross-entropy of logits, (1 - t) x + (1 + (w - 1) t) log(1 + exp(-x)); w weighs the positives of each channel.
struct bce_loss {
    const float* pos_weight; ///< one per channel; null: 1
    UMSREP_DEVICE static bool accepts(float target) { return is_probability(target); }
    UMSREP_DEVICE point operator()(float x, float t, u32 channel) const {
        const logistic at(x);
        const float positive = pos_weight != nullptr ? 1 + (pos_weight[channel] - 1) * t : 1;
        return {(1 - t) * x + positive * at.softplus_of_negative(x), (1 - t) - positive * at.no};
    }
};

/// -alpha_t (1 - p_t)^gamma log(p_t) of logits. Source: Lin et al., "Focal loss for dense object detection", ICCV 2017, eq. 5.
struct focal_loss {
    float gamma, positive, negative; ///< weights: alpha and 1 - alpha, or 1 and 1
    UMSREP_DEVICE static bool accepts(float target) { return is_probability(target); }
    UMSREP_DEVICE point operator()(float x, float t, u32) const {
        const logistic at(x);
        const float alpha_t = positive * t + negative * (1 - t);
        const float entropy = (1 - t) * x + at.softplus_of_negative(x);
        const float miss = largest(at.yes * (1 - t) + at.no * t, least_miss); // 1 - p_t without cancellation
        const float focus = ::powf(miss, gamma);
        // d miss / d x = (1 - 2 t) yes no
        const float sharpen = gamma * ::powf(miss, gamma - 1) * (1 - 2 * t) * at.yes * at.no * entropy;
        return {alpha_t * focus * entropy, alpha_t * (focus * (at.yes * (1 - t) - at.no * t) + sharpen)};
    }
};

/// A loss that is a mean over the elements of the samples that have a label, by `reduce`: the sums of its pieces, and the gradient.
/// share_of_present goes before it, with each = channels times pixels, loss_total comes after.
template <class F, class T>
struct element_loss {
    F f;
    extents e;
    two_steps step; ///< cut(e.size(), ...)
    pixels<const T> logits;
    const float* target;
    presence present;
    const loss_share* share;
    pixels<T> gradient; ///< data null: not wanted
    loss_sum* to;       ///< step.count

    using sums = loss_sum;
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return step.count; }
    UMSREP_DEVICE u32 length() const { return step.length; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32 piece, u32 term) const {
        const long long i = static_cast<long long>(piece) * step.length + term;
        if (i >= e.size()) return;
        const u32 pixel = static_cast<u32>(i / e.c), channel = static_cast<u32>(i % e.c);
        point at = {0, 0};
        if (present[pixel / e.plane()]) {
            const float t = target[target_index(e, pixel, channel)];
            if (F::accepts(t)) at = f(to_float(*logits.at(pixel, channel)), t, channel);
            else ++s.refused;
        }
        s.value += at.value;
        if (gradient.data != nullptr) *gradient.at(pixel, channel) = number<T>::from(share->step * at.slope);
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.merge(from); }
    UMSREP_DEVICE void finish(u32 piece, const sums& all) const { to[piece] = all; }
};

} // namespace umsrep::cuda::kernel
