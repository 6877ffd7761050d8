// SPDX-License-Identifier: MIT
// Compiled only where the headers of CUDA and cuDNN are.
#include <umsrep/train/cuda/training.hpp>

#include "network_on.hpp"

std::unique_ptr<doppler::session::state> doppler::network_on_cuda(int size, std::uint64_t seed, int threads) {
    return std::make_unique<network_on<umsrep::on_cuda<>>>(size, seed, threads);
}
