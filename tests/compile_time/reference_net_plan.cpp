// SPDX-License-Identifier: MIT
// The reference network checked and planned; no kernel is compiled.
#include "../../benchmarks/reference_net.hpp"

using namespace umsrep;
using net = reference_net::network<256>;

static_assert(parameters<net> == 10'812'837);
static_assert(training_bytes<net, joint<all>>(batch{8}) < 2_GiB);
