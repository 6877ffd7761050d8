// SPDX-License-Identifier: MIT
// The reference network with a model that predicts on a device.
#include "../../benchmarks/reference_net.hpp"

#include <umsrep/backend/cuda/cuda.hpp>

using namespace umsrep;

float lung(const xt::xtensor<float, 4>& images) {
    model<reference_net::network<256>, on_cuda<>> m{seed{1}};
    return m.predict(images).get<"lungs">()(0, 0, 0, 0);
}
