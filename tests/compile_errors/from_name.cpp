// SPDX-License-Identifier: MIT
// A head that reads a stage that is not there.
// expect(GNU): umsrep::unknown_name<umsrep::at<umsrep::quote<6>{"lungs"}, umsrep::quote<5>{"from"}>, umsrep::called<umsrep::quote<3>{"e9"}>
// expect(Clang): umsrep::unknown_name<umsrep::at<quote<6>{"lungs"}, quote<5>{"from"}>, umsrep::called<quote<3>{"e9"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using where = from<"e9">;
#else
using where = from<"e2">;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>, stage<"e2", max_pool<2>, conv<16, 3>>, stage<"e3", max_pool<2>, conv<32, 3>>>, head<"lungs", conv<1, 1>, loss::bce, where>> {};
static_assert(fits<net>);
