// SPDX-License-Identifier: MIT
// Several labels on a map instead of one number each.
// expect(GNU): umsrep::target_error<umsrep::at<umsrep::quote<6>{"lungs"}, umsrep::quote<5>{"loss"}>, umsrep::because<umsrep::quote<24>{"expected labels x 1 x 1"}>, umsrep::got<4, 16, 16>
// expect(Clang): umsrep::target_error<umsrep::at<quote<6>{"lungs"}, quote<5>{"loss"}>, umsrep::because<quote<24>{"expected labels x 1 x 1"}>, umsrep::got<4, 16, 16>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using body = conv<4, 1>;
#else
using body = seq<conv<4, 1>, global_avg_pool>;
#endif

struct net : network<encoder<image<1, 64, 64>,
    stage<"e1", conv<8, 3>>,
    stage<"e2", max_pool<2>, conv<16, 3>>,
    stage<"e3", max_pool<2>, conv<32, 3>>>,
    head<"lungs", body, loss::multi_label_bce>> {};
static_assert(fits<net>);
