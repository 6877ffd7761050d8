// SPDX-License-Identifier: MIT
// The message is as short for a network that is an alias: only the lines around it spell the network out.
// expect(GNU): umsrep::unknown_name<umsrep::at<umsrep::quote<6>{"lungs"}, umsrep::quote<9>{"0 concat"}>, umsrep::called<umsrep::quote<3>{"e7"}>
// expect(Clang): umsrep::unknown_name<umsrep::at<quote<6>{"lungs"}, quote<9>{"0 concat"}>, umsrep::called<quote<3>{"e7"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using body = seq<concat<"e7">, conv<1, 1>>;
#else
using body = seq<concat<"e1">, conv<1, 1>>;
#endif

using net = network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>>, head<"lungs", body, loss::bce>>;
static_assert(fits<net>);
