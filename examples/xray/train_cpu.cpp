// SPDX-License-Identifier: MIT
#include "train_strategy.hpp"

// Compiled once, in kernels.cpp.
extern template struct umsrep::cpu<xray::policy>;

template std::vector<umsrep::history> xray::networks<xray::backend>::train(const training&, umsrep::data::loader&, umsrep::data::loader&);
