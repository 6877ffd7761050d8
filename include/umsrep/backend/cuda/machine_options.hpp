// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <umsrep/core/units.hpp>

namespace umsrep::cuda {

/// How the plan of a graph is chosen among those that cuDNN has for it.
enum class plans : std::uint8_t {
    first,    ///< the one that cuDNN's heuristics put first, of those that run: the same wherever device and libraries are the same
    measured, ///< the fastest of the first few, as the device itself shows; of what runs often, `first` for the rest
};

/// What is asked of a device. A model says it by its machine's type, see machine_with.
struct machine_options {
    cuda::plans plan = cuda::plans::measured;
    std::size_t candidates = 8;       ///< that are measured of a graph
    std::size_t compiled = 3;         ///< of them such as cuDNN compiles first, which takes half a second each
    std::int64_t workspace = 256_MiB; ///< scratch memory that a plan may need; those that need more are passed over where others run
    bool deterministic = true;        ///< engines give the same bits in every run
};

} // namespace umsrep::cuda
