// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <cuda.h>

/// What the tests and the two libraries that stand in the driver's and cuDNN's place know of each other. Nothing is computed: work takes
/// time on a clock of its own, memory is the host's, and who does what CUDA forbids is told so.
namespace fake {

/// One of cuDNN's ways to compute any graph.
struct engine {
    std::int64_t number = 0;
    double seconds = 1e-4;
    std::int64_t workspace = 0;
    bool compiles = false;
    bool has_plan = true, runs = true, can_be_captured = true;
    bool lacks_memory = false; ///< its runs find none
};

struct state {
    std::size_t memory = std::size_t{1} << 30; ///< bytes of the device
    std::map<CUdeviceptr, std::size_t> blocks;
    int streams = 0, events = 0, graphs = 0, instances = 0; ///< that are there now
    std::atomic<int> contexts = 0, modules = 0;             ///< the same, of what threads share
    std::atomic<int> images = 0;                            ///< modules that were ever loaded
    int launches = 0, replays = 0;
    double clock = 0; ///< seconds
    bool broken = false; ///< by a kernel: from then on every call says so

    std::vector<engine> engines;
    int handles = 0, descriptors = 0;
    int lists = 0; ///< how often heuristics were asked
    int plans = 0; ///< that were made
    std::map<std::int64_t, int> runs; ///< of engines
};

} // namespace fake

extern "C" {
fake::state* fake_state();
/// Does it, or keeps it while the stream is captured.
void fake_enqueue(CUstream stream, const std::function<void()>& work);
bool fake_is_captured(CUstream stream);
bool fake_has_context();
}
