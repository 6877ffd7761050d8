// SPDX-License-Identifier: MIT
#include "train_arm.hpp"

namespace experiment {

namespace {

struct cxr_heterogeneous : umsrep::network<encoder, mask<"lungs">, classes<"finding", 3>, restored<"denoise">> {};

} // namespace

outcome run_cxr_heterogeneous(const job& j) { return arm_run<cxr_heterogeneous>{j}(); }

} // namespace experiment
