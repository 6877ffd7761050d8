// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/layout.hpp>
#include <umsrep/backend/cuda/operation.hpp>
#include <umsrep/graph/node.hpp>

namespace umsrep::cuda {

/// Bilinear enlargement to twice height and width by cuDNN. `before`: how far in front of the image the first window of 2 x 2 pixels begins.
/// PyTorch's pixel centres (align_corners = false) need a distance of 3/4 if windows are placed as those of a pool are; cuDNN's
/// documentation does not say, so nothing emits this graph before a device has been asked. Our own kernels enlarge meanwhile.
inline operation_graph forward_bilinear_twice(const node& n, int batch, precision p, cudnnFraction_t before = {3, 4}) {
    resample r;
    r.mode = CUDNN_RESAMPLE_BILINEAR;
    r.border = CUDNN_EDGE_VAL_PAD;
    r.image = whole_activation(role::input, batch, n.in, p);
    r.result = whole_activation(role::output, batch, n.out, p);
    r.window = {{{2, 1}, {2, 1}}};
    r.stride = {{{1, 2}, {1, 2}}};
    r.pad_before = {{before, before}};
    r.pad_after = {{{1, 1}, {1, 1}}};
    return {"upsample_bilinear", {r}};
}

} // namespace umsrep::cuda
