// SPDX-License-Identifier: MIT
// A skip connection from a stage that is not there.
// expect(GNU): umsrep::unknown_name<umsrep::at<umsrep::quote<6>{"lungs"}, umsrep::quote<9>{"1 concat"}>, umsrep::called<umsrep::quote<3>{"e4"}>
// expect(Clang): umsrep::unknown_name<umsrep::at<quote<6>{"lungs"}, quote<9>{"1 concat"}>, umsrep::called<quote<3>{"e4"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using body = seq<upsample_nearest<2>, concat<"e4">, conv<1, 1>>;
#else
using body = seq<upsample_nearest<2>, concat<"e2">, conv<1, 1>>;
#endif

struct net : network<encoder<image<1, 64, 64>,
    stage<"e1", conv<8, 3>>,
    stage<"e2", max_pool<2>, conv<16, 3>>,
    stage<"e3", max_pool<2>, conv<32, 3>>>,
    head<"lungs", body, loss::bce>> {};
static_assert(fits<net>);
