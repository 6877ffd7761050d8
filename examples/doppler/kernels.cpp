// SPDX-License-Identifier: MIT
#include "network.hpp"

// Compiled once, here; see network_cpu.cpp.
template struct umsrep::cpu<umsrep::winograd, umsrep::network_families<doppler::network>>;
