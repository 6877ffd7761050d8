// SPDX-License-Identifier: MIT
#include <umsrep/umsrep.hpp>
#include <umsrep/train/cuda/training.hpp>

#include "workload_of.hpp"

namespace {

using umsrep::on_cuda;
using umsrep::cuda::precision;

} // namespace

std::unique_ptr<benchmarks::workload> benchmarks::cuda_workload(const step_options& o) { return make_workload<on_cuda<>>(o); }
std::unique_ptr<benchmarks::workload> benchmarks::cuda_fp32_workload(const step_options& o) { return make_workload<on_cuda<precision::fp32>>(o); }
