// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

namespace umsrep {

/// An extent of an image that is known only when the model is built: `image<1, dynamic, dynamic>`.
inline constexpr int dynamic = -1;

/// Height and width of a window, stride, padding or dilation. One number means both: `conv<64, 3>`, `conv<64, extent{1, 5}>`.
struct extent {
    int h = 1, w = 1;
    constexpr extent(int both) : h{both}, w{both} {}
    constexpr extent(int height, int width) : h{height}, w{width} {}
    friend constexpr bool operator==(extent, extent) = default;
};

/// Shape of one sample: channels, height, width. A batch of `n` samples is stored as N, C, H, W.
struct shape {
    int c = 0, h = 0, w = 0;
    constexpr std::ptrdiff_t size() const { return std::ptrdiff_t{c} * h * w; }
    constexpr std::ptrdiff_t plane() const { return std::ptrdiff_t{h} * w; }
    friend constexpr bool operator==(shape, shape) = default;
};

} // namespace umsrep
