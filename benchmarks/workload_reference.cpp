// SPDX-License-Identifier: MIT
#include <umsrep/umsrep.hpp>

#include "workload_of.hpp"

std::unique_ptr<benchmarks::workload> benchmarks::reference_workload(const step_options& o) { return make_workload<umsrep::reference<float>>(o); }
