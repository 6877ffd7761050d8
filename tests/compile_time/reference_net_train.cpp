// SPDX-License-Identifier: MIT
// The reference network trained.
#include "../../benchmarks/reference_net.hpp"

using namespace umsrep;
using net = reference_net::network<256>;

static_assert(parameters<net> == 10'812'837);
static_assert(training_bytes<net, joint<all>>(batch{8}) < 2_GiB);

history train_it(data::loader& samples, data::loader& valid) {
    model<net> m{seed{1}, batch{8}};
    return fit(m, joint<all>{}, samples, valid, optim::adamw{});
}
