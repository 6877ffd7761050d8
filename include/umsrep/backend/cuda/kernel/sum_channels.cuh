// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/reduce.cuh>
#include <umsrep/backend/cuda/kernel/view.cuh>

namespace umsrep::cuda::kernel {

/// The sum of each channel over all pixels, n channels at a time, by `reduce`: a bias's gradient. In two steps: over the pixels of
/// each piece to `to` (piece, channel), doubles; then the same over the pieces, which are the pixels of that.
template <class From, class To, int n>
struct sum_channels {
    long long rows; ///< pixels of all samples
    u32 channels;
    two_steps step; ///< cut(rows, ...); of the second step {rows, 1}
    pixels<const From> from;
    To* to; ///< (step.count, channels), dense

    struct sums {
        double at[n];
    };
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return static_cast<long long>(step.count) * (channels / n); }
    UMSREP_DEVICE u32 length() const { return step.length; }
    UMSREP_DEVICE u32 neighbours() const { return channels / n; }
    UMSREP_DEVICE void add(sums& s, u32 output, u32 term) const {
        const u32 packs = channels / n;
        const long long row = static_cast<long long>(output / packs) * step.length + term;
        if (row >= rows) return;
        const pack<From, n> x = *reinterpret_cast<const pack<From, n>*>(from.at(row, output % packs * n));
        for (int k = 0; k < n; ++k) s.at[k] += to_double(x.at[k]);
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) {
        for (int k = 0; k < n; ++k) to.at[k] += from.at[k];
    }
    UMSREP_DEVICE void finish(u32 output, const sums& all) const {
        for (u32 k = 0; k < n; ++k) put(all.at[k], to[static_cast<long long>(output) * n + k]);
    }
};

} // namespace umsrep::cuda::kernel
