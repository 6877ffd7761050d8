// SPDX-License-Identifier: MIT
#include <umsrep/backend/cpu/cpu.hpp>
#include <umsrep/umsrep.hpp>

#include "workload_of.hpp"

std::unique_ptr<benchmarks::workload> benchmarks::cpu_workload(const step_options& o) { return make_workload<umsrep::cpu<>>(o); }
std::unique_ptr<benchmarks::workload> benchmarks::cpu_exact_workload(const step_options& o) { return make_workload<umsrep::cpu<umsrep::exact>>(o); }
