// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/number.cuh>

namespace umsrep::cuda::kernel {

/// A batch of images in memory, pixel after pixel (N, H, W), the channels of each next to each other; `stride` elements from pixel to
/// pixel: more than the channels where this is a slice of a wider tensor.
template <class T>
struct pixels {
    T* data;
    long long stride;

    UMSREP_DEVICE T* at(long long pixel, u32 channel) const { return data + pixel * stride + channel; }
};

/// A batch of images: samples, height, width, channels.
struct extents {
    u32 n, h, w, c;

    UMSREP_DEVICE constexpr u32 plane() const { return h * w; }
    UMSREP_DEVICE constexpr long long pixels() const { return static_cast<long long>(n) * h * w; }
    UMSREP_DEVICE constexpr long long size() const { return pixels() * c; }
    UMSREP_DEVICE constexpr long long pixel(u32 sample, u32 y, u32 x) const { return (static_cast<long long>(sample) * h + y) * w + x; }
};

/// Where the i-th n channels of an image stand, the channels of a pixel before the next pixel.
template <int n>
struct place {
    u32 sample, y, x, channel;

    UMSREP_DEVICE place(const extents& e, u32 i) {
        const u32 packs = e.c / n, pixel = i / packs, row = pixel / e.w;
        channel = i % packs * n;
        x = pixel % e.w;
        y = row % e.h;
        sample = row / e.h;
    }
};

} // namespace umsrep::cuda::kernel
