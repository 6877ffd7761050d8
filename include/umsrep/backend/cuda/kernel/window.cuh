// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/view.cuh>

namespace umsrep::cuda::kernel {

/// A window that slides over images and makes a result at each position.
struct sliding_window {
    extents image, results;
    u32 kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
    int padding_h, padding_w;

    UMSREP_DEVICE u32 taps() const { return kernel_h * kernel_w; }

    /// The row, or column, that tap `tap` of a position looks at; -1 in the padding.
    UMSREP_DEVICE int row(u32 position, u32 tap) const { return seen(position, stride_h, tap, dilation_h, padding_h, image.h); }
    UMSREP_DEVICE int column(u32 position, u32 tap) const { return seen(position, stride_w, tap, dilation_w, padding_w, image.w); }
    /// The position whose tap `tap` looks at a row, or column, of the image; -1 where there is none.
    UMSREP_DEVICE int position_of_row(u32 y, u32 tap) const { return position(y, stride_h, tap, dilation_h, padding_h, results.h); }
    UMSREP_DEVICE int position_of_column(u32 x, u32 tap) const { return position(x, stride_w, tap, dilation_w, padding_w, results.w); }

private:
    UMSREP_DEVICE static int seen(u32 position, u32 stride, u32 tap, u32 dilation, int padding, u32 size) {
        const int at = static_cast<int>(position * stride + tap * dilation) - padding;
        return at >= 0 && at < static_cast<int>(size) ? at : -1;
    }
    UMSREP_DEVICE static int position(u32 pixel, u32 stride, u32 tap, u32 dilation, int padding, u32 positions) {
        const int distance = static_cast<int>(pixel) + padding - static_cast<int>(tap * dilation);
        if (distance < 0 || distance % static_cast<int>(stride) != 0) return -1;
        const int result = distance / static_cast<int>(stride);
        return result < static_cast<int>(positions) ? result : -1;
    }
};

} // namespace umsrep::cuda::kernel
