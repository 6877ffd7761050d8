// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/element_loss.cuh>

/// Soft Dice and binary cross-entropy beside it:
///   dice_weight * mean of 1 - (2 sum(p t) + smooth) / (sum(p) + sum(t) + smooth) over the channels of the samples that have a label
///   + entropy_weight * mean of the entropy over their elements.
/// In this order: share_of_present with each = channels, overlap_pieces, overlap_planes, loss_total over the planes, overlap_gradient.
namespace umsrep::cuda::kernel {

struct overlap_options {
    float smooth, dice_weight, entropy_weight;
    bce_loss entropy;
};

struct overlap_sums {
    double both, predicted, wanted, entropy;
    u32 refused;

    UMSREP_DEVICE void merge(const overlap_sums& other) {
        both += other.both;
        predicted += other.predicted;
        wanted += other.wanted;
        entropy += other.entropy;
        refused += other.refused;
    }
};

/// The sums of pieces of each plane (sample, piece, channel), by `reduce`.
template <class T>
struct overlap_pieces {
    overlap_options options;
    extents e;
    two_steps step; ///< cut(e.plane(), ...)
    pixels<const T> logits;
    const float* target;
    presence present;
    overlap_sums* to;

    using sums = overlap_sums;
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return static_cast<long long>(e.n) * step.count * e.c; }
    UMSREP_DEVICE u32 length() const { return step.length; }
    UMSREP_DEVICE u32 neighbours() const { return e.c; }
    UMSREP_DEVICE void add(sums& s, u32 output, u32 term) const {
        const u32 channel = output % e.c, piece = output / e.c % step.count, sample = output / e.c / step.count;
        const u32 inside = piece * step.length + term;
        if (inside >= e.plane() || !present[sample]) return;
        const u32 pixel = sample * e.plane() + inside;
        const float t = target[target_index(e, pixel, channel)], x = to_float(*logits.at(pixel, channel));
        if (!is_probability(t)) {
            ++s.refused;
            return;
        }
        const float yes = logistic(x).yes;
        s.both += static_cast<double>(yes * t);
        s.predicted += static_cast<double>(yes);
        s.wanted += static_cast<double>(t);
        if (options.entropy_weight != 0) s.entropy += static_cast<double>(options.entropy(x, t, channel).value);
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.merge(from); }
    UMSREP_DEVICE void finish(u32 output, const sums& all) const { to[output] = all; }
};

/// What the gradient of a plane needs: its overlap and what stands below that fraction.
struct plane_overlap {
    float ratio, step;
};

/// The overlap of each plane and its part of the loss, by `reduce`.
struct overlap_planes {
    overlap_options options;
    extents e;
    u32 count; ///< pieces of a plane
    const overlap_sums* from;
    presence present;
    const loss_share* share;
    plane_overlap* planes; ///< (N, C)
    loss_sum* values;      ///< (N, C)

    using sums = overlap_sums;
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return static_cast<long long>(e.n) * e.c; }
    UMSREP_DEVICE u32 length() const { return count; }
    UMSREP_DEVICE u32 neighbours() const { return e.c; }
    UMSREP_DEVICE void add(sums& s, u32 plane, u32 piece) const {
        s.merge(from[(static_cast<long long>(plane / e.c) * count + piece) * e.c + plane % e.c]);
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.merge(from); }
    UMSREP_DEVICE void finish(u32 plane, const sums& all) const {
        if (!present[plane / e.c]) {
            planes[plane] = {1, 0};
            values[plane] = {0, 0};
            return;
        }
        const double smooth = static_cast<double>(options.smooth);
        const double above = 2 * all.both + smooth, below = all.predicted + all.wanted + smooth;
        const bool empty = below < 1e-300; // nothing wanted, found or smoothed; false for NaN
        const double ratio = empty ? 1.0 : above / below, dice_weight = static_cast<double>(options.dice_weight);
        const double step = empty ? 0.0 : dice_weight * static_cast<double>(share->step) / below;
        planes[plane] = {static_cast<float>(ratio), static_cast<float>(step)};
        values[plane] = {dice_weight * (1 - ratio) + static_cast<double>(options.entropy_weight) * all.entropy / e.plane(), all.refused};
    }
};

/// The gradient, by `map`.
template <class T>
struct overlap_gradient {
    overlap_options options;
    extents e;
    pixels<const T> logits;
    const float* target;
    presence present;
    const loss_share* share;
    const plane_overlap* planes;
    pixels<T> gradient;

    UMSREP_DEVICE long long count() const { return e.size(); }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 pixel = i / e.c, channel = i % e.c, sample = pixel / e.plane();
        float slope = 0;
        if (present[sample]) {
            const float t = target[target_index(e, pixel, channel)], x = to_float(*logits.at(pixel, channel));
            const plane_overlap plane = planes[sample * e.c + channel];
            const logistic at(x);
            slope = plane.step * (plane.ratio - 2 * t) * at.yes * at.no;
            if (options.entropy_weight != 0)
                slope += options.entropy_weight * share->step / static_cast<float>(e.plane()) * options.entropy(x, t, channel).slope;
            if (!is_probability(t)) slope = 0;
        }
        *gradient.at(pixel, channel) = number<T>::from(slope);
    }
};

} // namespace umsrep::cuda::kernel
