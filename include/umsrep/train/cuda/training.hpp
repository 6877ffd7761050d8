// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/train/cuda/device_steps.hpp>
#include <umsrep/train/trainer.hpp>

namespace umsrep {

/// A trainer of a model on a device steps there; so do `fit`, `pretrain` and the rest.
template <class Net, cuda::precision P, class Machine, optim::optimizer Optimizer>
struct steps_of<model<Net, on_cuda<P, Machine>>, Optimizer> {
    using type = cuda::device_steps<Net, P, Machine, Optimizer>;
};

} // namespace umsrep
