// SPDX-License-Identifier: MIT
// Features are kept of a strategy that trains every stage.
// expect: umsrep: cached<...>: no stage is frozen
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/facts.hpp>

using namespace umsrep;

#ifdef KO
using strategy_type = cached<joint<all>>;
#else
using strategy_type = cached<joint<frozen>>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(training_macs<net, strategy_type> > 0);
