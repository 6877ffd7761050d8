// SPDX-License-Identifier: MIT
#include "train_arm.hpp"

namespace experiment {

namespace {

struct echo_heterogeneous : umsrep::network<encoder, mask<"envelope">, classes<"quality", 2>, classes<"flow", 8>> {};

} // namespace

outcome run_echo_heterogeneous(const job& j) { return arm_run<echo_heterogeneous>{j}(); }

} // namespace experiment
