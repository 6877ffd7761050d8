// SPDX-License-Identifier: MIT
#include "networks.hpp"

// Compiled once, in kernels.cpp and in train_cpu.cpp.
extern template struct umsrep::cpu<xray::policy>;
extern template std::vector<umsrep::history> xray::networks<xray::backend>::train(const training&, umsrep::data::loader&, umsrep::data::loader&);

std::unique_ptr<xray::session::state> xray::networks_on_cpu(int size, std::uint64_t seed, int threads) {
    return std::make_unique<networks<backend>>(size, seed, threads);
}
