// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/view.cuh>

namespace umsrep::cuda::kernel {

/// Channels from one image to another, n at a time, by `map`: slices of wider tensors on either side, another type, added or written.
template <class From, class To, int n>
struct copy {
    extents e; ///< of what is copied
    pixels<const From> from;
    pixels<To> to;
    bool accumulate;

    UMSREP_DEVICE long long count() const { return e.size() / n; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 pixel = i / (e.c / n), channel = i % (e.c / n) * n;
        store(to.at(pixel, channel), load<n>(from.at(pixel, channel)), accumulate);
    }
};

/// N, C, H, W to pixels, n channels of `stored_channels` at a time, by `map`; the channels beyond e.c become zero.
template <class From, class To, int n>
struct from_planes {
    extents e;
    u32 stored_channels; ///< a multiple of n
    const From* from;
    pixels<To> to;

    UMSREP_DEVICE long long count() const { return e.pixels() * (stored_channels / n); }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 packs = stored_channels / n, pixel = i / packs, first = i % packs * n;
        const u32 plane = e.plane(), sample = pixel / plane;
        values<n> x = {};
        for (u32 k = 0; k < n && first + k < e.c; ++k)
            x.at[k] = to_float(from[(static_cast<long long>(sample) * e.c + first + k) * plane + pixel % plane]);
        store(to.at(pixel, first), x);
    }
};

/// Pixels to N, C, H, W, by `map`.
template <class From, class To>
struct to_planes {
    extents e;
    pixels<const From> from;
    To* to;

    UMSREP_DEVICE long long count() const { return e.size(); }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 plane = e.plane(), image = i / plane; // of all channels of all samples
        const long long pixel = static_cast<long long>(image / e.c) * plane + i % plane;
        to[i] = number<To>::from(to_float(*from.at(pixel, image % e.c)));
    }
};

/// Memory as it is, 16 bytes at a time, by `map`.
struct copy_memory {
    struct alignas(16) block {
        u32 word[4];
    };
    u32 blocks;
    const block* from;
    block* to;

    UMSREP_DEVICE long long count() const { return blocks; }
    UMSREP_DEVICE void operator()(u32 i) const { to[i] = from[i]; }
};

} // namespace umsrep::cuda::kernel
