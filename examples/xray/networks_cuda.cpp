// SPDX-License-Identifier: MIT
// Compiled only where the headers of CUDA and cuDNN are.
#include <umsrep/train/cuda/training.hpp>

#include "train_strategy.hpp"

std::unique_ptr<xray::session::state> xray::networks_on_cuda(int size, std::uint64_t seed, int threads) {
    return std::make_unique<networks<umsrep::on_cuda<>>>(size, seed, threads);
}
