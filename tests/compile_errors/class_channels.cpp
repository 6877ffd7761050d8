// SPDX-License-Identifier: MIT
// A class loss on one channel.
// expect(GNU): umsrep::target_error<umsrep::at<umsrep::quote<6>{"lungs"}, umsrep::quote<5>{"loss"}>, umsrep::because<umsrep::quote<30>{"expected two channels or more"}>, umsrep::got<1, 1, 1>
// expect(Clang): umsrep::target_error<umsrep::at<quote<6>{"lungs"}, quote<5>{"loss"}>, umsrep::because<quote<30>{"expected two channels or more"}>, umsrep::got<1, 1, 1>
#include <umsrep/loss/cross_entropy.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using body = seq<global_avg_pool, linear<1>>;
#else
using body = seq<global_avg_pool, linear<2>>;
#endif

struct net : network<encoder<image<1, 64, 64>,
    stage<"e1", conv<8, 3>>,
    stage<"e2", max_pool<2>, conv<16, 3>>,
    stage<"e3", max_pool<2>, conv<32, 3>>>,
    head<"lungs", body, loss::cross_entropy>> {};
static_assert(fits<net>);
