// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace benchmarks {

struct step_options {
    std::string what = "train"; ///< or predict
    std::string heads = "all";  ///< or the name of one: the network that has this head alone
    std::string backend;
    int threads = 2, batch = 8, size = 256;
};

/// The reference network on random images, ready to be run as often as one likes.
class workload {
public:
    virtual ~workload() = default;
    /// One training step (forward, losses, backward, AdamW) or one prediction of a batch.
    virtual void run() = 0;

    std::int64_t parameters = 0;    ///< of the encoder and the heads that take part
    std::int64_t macs = 0;          ///< of one run, as direct convolutions
    std::int64_t planned_bytes = 0; ///< what the plan says is allocated
};

// Each backend is compiled in a file of its own.

std::unique_ptr<workload> cpu_workload(const step_options& o);
std::unique_ptr<workload> cpu_exact_workload(const step_options& o);
std::unique_ptr<workload> reference_workload(const step_options& o);
std::unique_ptr<workload> cuda_workload(const step_options& o);      ///< bfloat16
std::unique_ptr<workload> cuda_fp32_workload(const step_options& o); ///< without TF32

struct backend_entry {
    const char* name;
    std::unique_ptr<workload> (*make)(const step_options&);
};

/// The first is the default.
inline constexpr backend_entry backends[] = {
    {"cpu", cpu_workload},
    {"cpu-exact", cpu_exact_workload},
    {"reference", reference_workload},
#if defined(BENCHMARKS_WITH_CUDA)
    {"cuda", cuda_workload},
    {"cuda-fp32", cuda_fp32_workload},
#endif
};

} // namespace benchmarks
