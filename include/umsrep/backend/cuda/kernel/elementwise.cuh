// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/view.cuh>

namespace umsrep::cuda::kernel {

/// out = in + bias + skip, through a ReLU, n channels at a time, by `map`. In place where out is in or skip.
template <class T, int n>
struct add_up {
    extents e;
    pixels<const T> in;
    const float* bias;    ///< one per channel, or null
    pixels<const T> skip; ///< data null: none
    bool rectify;
    pixels<T> out;

    UMSREP_DEVICE long long count() const { return e.size() / n; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 pixel = i / (e.c / n), channel = i % (e.c / n) * n;
        values<n> x = load<n>(in.at(pixel, channel)), other = {};
        if (skip.data != nullptr) other = load<n>(skip.at(pixel, channel));
        for (u32 k = 0; k < n; ++k) {
            const float y = x.at[k] + (bias != nullptr ? bias[channel + k] : 0) + other.at[k];
            x.at[k] = rectify && y < 0 ? 0 : y;
        }
        store(out.at(pixel, channel), x);
    }
};

} // namespace umsrep::cuda::kernel
