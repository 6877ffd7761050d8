// SPDX-License-Identifier: MIT
#include "train_arm.hpp"

namespace experiment {

namespace {

struct cxr_homogeneous : umsrep::network<encoder, classes<"bacterial_vs_normal", 2>, classes<"viral_vs_normal", 2>,
                                         classes<"bacterial_vs_viral", 2>> {};

} // namespace

outcome run_cxr_homogeneous(const job& j) { return arm_run<cxr_homogeneous>{j}(); }

} // namespace experiment
