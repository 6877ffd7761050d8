// SPDX-License-Identifier: MIT
// Compiled only where the headers of CUDA and cuDNN are.
#include <device/machine.hpp>
#include <umsrep/train/cuda/training.hpp>

#include "train_strategy.hpp"

std::unique_ptr<xray::session::state> xray::networks_on_cuda(int size, std::uint64_t seed, int threads, const std::string& plans) {
    device::machine::choose_plans(plans);
    return std::make_unique<networks<device::backend>>(size, seed, threads);
}
