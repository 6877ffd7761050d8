// SPDX-License-Identifier: MIT
#include "network_on.hpp"

// Compiled once, in kernels.cpp.
extern template struct umsrep::cpu<umsrep::winograd, umsrep::network_families<doppler::network>>;

std::unique_ptr<doppler::session::state> doppler::network_on_cpu(int size, std::uint64_t seed, int threads) {
    return std::make_unique<network_on<umsrep::default_backend<network>>>(size, seed, threads);
}
