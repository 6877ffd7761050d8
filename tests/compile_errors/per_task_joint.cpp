// SPDX-License-Identifier: MIT
// Norm statistics per task where all tasks step together.
// expect: umsrep: per-task norm statistics need steps of one task
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/facts.hpp>

using namespace umsrep;

#ifdef KO
using strategy_type = joint<all, norm_statistics::per_task>;
#else
using strategy_type = alternating<all, norm_statistics::per_task>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(training_macs<net, strategy_type> > 0);
