// SPDX-License-Identifier: MIT
// Compiled only where the headers of CUDA and cuDNN are.
#include <device/machine.hpp>
#include <umsrep/train/cuda/training.hpp>

#include "network_on.hpp"

std::unique_ptr<doppler::session::state> doppler::network_on_cuda(int size, std::uint64_t seed, int threads, const std::string& plans) {
    device::machine::choose_plans(plans);
    return std::make_unique<network_on<device::backend>>(size, seed, threads);
}
