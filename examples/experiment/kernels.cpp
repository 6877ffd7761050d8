// SPDX-License-Identifier: MIT
#include "network.hpp"

template struct umsrep::cpu<umsrep::winograd, experiment::kernels>;
