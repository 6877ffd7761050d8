// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include <tests/cuda/host_machine.hpp>
#include <tests/cuda/training_checks.hpp>

/// Training on the machine that the host plays.
namespace umsrep::test {

template <cuda::precision P>
using on_device = dropping_on<P, host_machine>;

template <class Model>
std::vector<float> parameters_of(const Model& m) {
    return copy(m.parameters());
}

} // namespace umsrep::test
