// SPDX-License-Identifier: MIT
// The sum with a stage of another number of channels.
// expect(GNU): umsrep::shape_error<umsrep::at<umsrep::quote<6>{"lungs"}, umsrep::quote<6>{"1 add"}>, umsrep::expected<16, 32, 32>, umsrep::got<32, 32, 32>
// expect(Clang): umsrep::shape_error<umsrep::at<quote<6>{"lungs"}, quote<6>{"1 add"}>, umsrep::expected<16, 32, 32>, umsrep::got<32, 32, 32>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using body = seq<conv_transpose<32, 2, stride<2>>, add<"e2">>;
#else
using body = seq<conv_transpose<16, 2, stride<2>>, add<"e2">>;
#endif

struct net : network<encoder<image<1, 64, 64>,
    stage<"e1", conv<8, 3>>,
    stage<"e2", max_pool<2>, conv<16, 3>>,
    stage<"e3", max_pool<2>, conv<32, 3>>>,
    head<"lungs", body, loss::bce>> {};
static_assert(fits<net>);
