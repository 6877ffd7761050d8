// SPDX-License-Identifier: MIT
#include "network.hpp"

// Compiled once, here; see state.hpp.
template struct umsrep::cpu<xray::policy>;
