// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <string>

#include <umsrep/backend/cuda/kernel_name.hpp>
#include <umsrep/core/error.hpp>

namespace umsrep::cuda {

/// Blocks, and the threads of each; no blocks: there is nothing to do.
struct launch_shape {
    unsigned blocks = 0, threads_x = 1, threads_y = 1;
    friend constexpr bool operator==(const launch_shape&, const launch_shape&) = default;
};

/// How a body is launched on a device of so many multiprocessors: as many blocks as it has room for at most, each of which goes on to the
/// next part of the work. The shape of a block, which the order of sums follows, does not depend on the device. Throws shape_mismatch
/// for 2^31 tasks and more, which kernels do not count.
template <class Body>
launch_shape shape_of(const Body& body, int multiprocessors) {
    constexpr long long limit = (1LL << 31) - 1;
    const auto most_blocks = 8LL * multiprocessors; // of 256 threads: 2048 threads are what a multiprocessor holds
    const auto shape = [&](long long tasks, unsigned across, unsigned threads_y) {
        if (tasks > limit)
            throw shape_mismatch(kernel_name<Body>(), "at most " + std::to_string(limit) + " tasks", std::to_string(tasks));
        return launch_shape{static_cast<unsigned>(std::min(kernel::pieces(tasks, across), most_blocks)), across, threads_y};
    };
    if constexpr (reduction<Body>) {
        const unsigned across = kernel::reduce_across(body.neighbours(), body.length());
        return shape(body.outputs(), across, kernel::reduce_threads / across);
    } else {
        return shape(body.count(), 256, 1);
    }
}

} // namespace umsrep::cuda
