// SPDX-License-Identifier: MIT
// What the CUDA backend's headers cost beside the umbrella's.
#include <umsrep/umsrep.hpp>

#include <umsrep/backend/cuda/cuda.hpp>
