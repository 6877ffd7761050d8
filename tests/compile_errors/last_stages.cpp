// SPDX-License-Identifier: MIT
// A strategy that trains more stages than the encoder has.
// expect: umsrep::strategy_error<umsrep::trains_last<3>, umsrep::encoder_stages<2>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/facts.hpp>

using namespace umsrep;

#ifdef KO
using strategy_used = joint<last<3>>;
#else
using strategy_used = joint<last<2>>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>, stage<"e2", relu>>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(plan<net, train<strategy_used>>.arena > 0);
