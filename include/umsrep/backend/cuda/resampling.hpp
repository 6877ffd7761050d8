// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/layout.hpp>
#include <umsrep/backend/cuda/operation.hpp>
#include <umsrep/graph/node.hpp>

namespace umsrep::cuda {

/// Bilinear enlargement to twice height and width, with the only padding for which cuDNN has an engine. Its documentation does not say
/// where it takes the pixels' centres to be, so nothing emits this graph before a device has been asked; our own kernels enlarge meanwhile.
inline operation_graph forward_bilinear_twice(const node& n, int batch, precision p) {
    resample r;
    r.mode = CUDNN_RESAMPLE_BILINEAR;
    r.border = CUDNN_EDGE_VAL_PAD;
    r.image = whole_activation(role::input, batch, n.in, p);
    r.result = whole_activation(role::output, batch, n.out, p);
    r.window = {{{2, 1}, {2, 1}}};
    r.stride = {{{1, 2}, {1, 2}}};
    r.pad_before = {{{1, 2}, {1, 2}}};
    r.pad_after = {{{1, 1}, {1, 1}}};
    return {"upsample_bilinear", {r}};
}

} // namespace umsrep::cuda
