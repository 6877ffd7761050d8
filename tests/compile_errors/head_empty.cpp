// SPDX-License-Identifier: MIT
// A head without a layer of its own.
// expect(GNU): umsrep::layer_error<umsrep::at<umsrep::quote<6>{"lungs"}, umsrep::quote<5>{"body"}>, umsrep::because<umsrep::quote<32>{"a head needs a layer of its own"}>
// expect(Clang): umsrep::layer_error<umsrep::at<quote<6>{"lungs"}, quote<5>{"body"}>, umsrep::because<quote<32>{"a head needs a layer of its own"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using body = seq<>;
#else
using body = conv<1, 1>;
#endif

struct net : network<encoder<image<1, 64, 64>,
    stage<"e1", conv<8, 3>>,
    stage<"e2", max_pool<2>, conv<16, 3>>,
    stage<"e3", max_pool<2>, conv<32, 3>>>,
    head<"lungs", body, loss::bce>> {};
static_assert(fits<net>);
