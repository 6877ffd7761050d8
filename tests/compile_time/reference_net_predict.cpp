// SPDX-License-Identifier: MIT
// The reference network with a model that predicts.
#include "../../benchmarks/reference_net.hpp"

using namespace umsrep;
using net = reference_net::network<256>;

static_assert(parameters<net> == 10'812'837);
static_assert(training_bytes<net, joint<all>>(batch{8}) < 2_GiB);

float lung(const xt::xtensor<float, 4>& images) {
    model<net> m{seed{1}};
    return m.predict(images).get<"lungs">()(0, 0, 0, 0);
}
