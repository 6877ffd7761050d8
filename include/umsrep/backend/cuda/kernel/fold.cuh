// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/normalization.cuh>

/// A norm by constant statistics within the convolution before it: with scale = rstd times the norm's weight of a result's channel, weights
/// times scale, and (bias - mean) scale + the norm's bias.
namespace umsrep::cuda::kernel {

/// The convolution's weights, (outputs, taps, inputs), into those that layers read, by `map`.
template <class To>
struct fold_weight {
    u32 outputs, taps, inputs;
    u32 outputs_per_group; ///< of a transposed convolution, whose results' channels are its inputs here, group by group; 0: of any other
    const float* weight;
    const moments* kept; ///< one per channel
    const float* scale;  ///< or null
    To* to;

    UMSREP_DEVICE long long count() const { return static_cast<long long>(outputs) * taps * inputs; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 output = i / inputs / taps;
        const u32 channel = outputs_per_group == 0 ? output : output / outputs_per_group * inputs + i % inputs;
        to[i] = number<To>::from(weight[i] * kept[channel].rstd * (scale != nullptr ? scale[channel] : 1));
    }
};

/// Its bias, by `map`.
struct fold_bias {
    u32 channels;
    const float* bias; ///< or null
    const moments* kept;
    const float *scale, *shift; ///< or null
    float* to;

    UMSREP_DEVICE long long count() const { return channels; }
    UMSREP_DEVICE void operator()(u32 c) const {
        const float centred = (bias != nullptr ? bias[c] : 0) - kept[c].mean;
        to[c] = centred * kept[c].rstd * (scale != nullptr ? scale[c] : 1) + (shift != nullptr ? shift[c] : 0);
    }
};

} // namespace umsrep::cuda::kernel
