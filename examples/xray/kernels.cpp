// SPDX-License-Identifier: MIT
#include "network.hpp"

// Compiled once, here; see train_cpu.cpp.
template struct umsrep::cpu<xray::policy>;
