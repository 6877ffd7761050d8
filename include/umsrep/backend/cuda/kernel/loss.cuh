// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/reduce.cuh>
#include <umsrep/backend/cuda/kernel/view.cuh>

/// The losses of umsrep/loss, term by term in float, their sums in double. Nothing comes from the host while a step runs: which samples
/// have a label, a task's weight and the scale of the loss lie in device memory, and so does the report that the host fetches later.
/// Logits and gradient are pixels of one type, targets floats in N, C, H, W as loaders give them.
namespace umsrep::cuda::kernel {

/// What the terms of a loss are multiplied with: 1 / (terms that count), 0 when there is none; for gradients also the task's weight
/// and the scale of the loss.
struct loss_share {
    double share;
    float step;
    u32 refused; ///< labels that are none
};

/// The mean loss, not multiplied by weight or scale, and how many targets were not of the loss's kind. Where there are such, the host
/// throws label_error; they count as nothing.
struct loss_report {
    double value;
    u32 refused;
};

/// The value of some terms of a loss, and how many targets were refused.
struct loss_sum {
    double value;
    u32 refused;

    UMSREP_DEVICE void merge(const loss_sum& other) {
        value += other.value;
        refused += other.refused;
    }
};

/// Which samples have a label, 0 for those that have none; null: all have one.
struct presence {
    const unsigned char* of;
    UMSREP_DEVICE bool operator[](u32 sample) const { return of == nullptr || of[sample] != 0; }
};

/// Factors of a gradient; null: 1.
struct gradient_factors {
    const float *weight, *loss_scale;
    UMSREP_DEVICE float operator()() const { return (weight != nullptr ? *weight : 1) * (loss_scale != nullptr ? *loss_scale : 1); }
};

/// The share of a mean over `each` terms of every sample that has a label, by `reduce`.
struct share_of_present {
    u32 samples;
    double each;
    presence present;
    gradient_factors factors;
    loss_share* to;

    struct sums {
        u32 count;
    };
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return 1; }
    UMSREP_DEVICE u32 length() const { return samples; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32, u32 sample) const { s.count += present[sample] ? 1u : 0u; }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.count += from.count; }
    UMSREP_DEVICE void finish(u32, const sums& all) const {
        const double share = all.count == 0 ? 0.0 : 1.0 / (all.count * each);
        *to = {share, static_cast<float>(share * static_cast<double>(factors())), 0};
    }
};

/// The report from the sums of a loss's pieces, by `reduce`.
struct loss_total {
    u32 count; ///< of sums
    const loss_sum* from;
    const loss_share* share;
    loss_report* to;

    using sums = loss_sum;
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return 1; }
    UMSREP_DEVICE u32 length() const { return count; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32, u32 i) const { s.merge(from[i]); }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.merge(from); }
    UMSREP_DEVICE void finish(u32, const sums& all) const { *to = {share->share * all.value, share->refused + all.refused}; }
};

UMSREP_DEVICE inline bool is_finite(float x) { return x - x == 0; }
UMSREP_DEVICE inline bool is_probability(float x) { return x >= 0 && x <= 1; }

/// Of a power of 0 there is no slope: below it a probability counts as this.
inline constexpr float least_miss = 1e-30f;

/// Where a target of pixel `pixel` and channel `channel` stands.
UMSREP_DEVICE inline long long target_index(const extents& e, u32 pixel, u32 channel) {
    const u32 plane = e.plane();
    return (static_cast<long long>(pixel / plane) * e.c + channel) * plane + pixel % plane;
}

} // namespace umsrep::cuda::kernel
