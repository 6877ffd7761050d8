// SPDX-License-Identifier: MIT
#pragma once

// The umbrella: everything portable, includes only. Readers and writers of files (io/), reports (report/), statistics (statistics/) and
// devices are asked for by name.

#include <umsrep/core/error.hpp>
#include <umsrep/core/random.hpp>
#include <umsrep/core/units.hpp>
#include <umsrep/data/geometry.hpp>
#include <umsrep/data/in_memory.hpp>
#include <umsrep/data/intensity.hpp>
#include <umsrep/data/loader.hpp>
#include <umsrep/data/noise.hpp>
#include <umsrep/data/sim/chest_xray_dataset.hpp>
#include <umsrep/loss/bce.hpp>
#include <umsrep/loss/charbonnier.hpp>
#include <umsrep/loss/cross_entropy.hpp>
#include <umsrep/loss/dice.hpp>
#include <umsrep/loss/dice_bce.hpp>
#include <umsrep/loss/focal.hpp>
#include <umsrep/loss/l1.hpp>
#include <umsrep/loss/l1_ms_ssim.hpp>
#include <umsrep/loss/l2.hpp>
#include <umsrep/loss/ms_ssim.hpp>
#include <umsrep/loss/ssim.hpp>
#include <umsrep/metric/calibration.hpp>
#include <umsrep/metric/classification.hpp>
#include <umsrep/metric/hausdorff.hpp>
#include <umsrep/metric/image_quality.hpp>
#include <umsrep/metric/overlap.hpp>
#include <umsrep/metric/ranking.hpp>
#include <umsrep/metric/temperature.hpp>
#include <umsrep/model.hpp>
#include <umsrep/network/describe.hpp>
#include <umsrep/network/feature_pyramid.hpp>
#include <umsrep/optim/adam.hpp>
#include <umsrep/optim/adamw.hpp>
#include <umsrep/optim/sgd.hpp>
#include <umsrep/train/advice.hpp>
#include <umsrep/train/balance/cagrad.hpp>
#include <umsrep/train/balance/dwa.hpp>
#include <umsrep/train/balance/equal.hpp>
#include <umsrep/train/balance/famo.hpp>
#include <umsrep/train/balance/geometric_mean.hpp>
#include <umsrep/train/balance/gradnorm.hpp>
#include <umsrep/train/balance/imtl.hpp>
#include <umsrep/train/balance/pcgrad.hpp>
#include <umsrep/train/balance/random_weights.hpp>
#include <umsrep/train/balance/uncertainty.hpp>
#include <umsrep/train/fit.hpp>
#include <umsrep/train/fit_head.hpp>
#include <umsrep/train/phases.hpp>
#include <umsrep/train/pretrain.hpp>
