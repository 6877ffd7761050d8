// SPDX-License-Identifier: MIT
// An option that heads do not have.
// expect(GNU): umsrep::type_error<umsrep::at<umsrep::quote<6>{"lungs"}, umsrep::quote<5>{"head"}>, umsrep::because<umsrep::quote<31>{"no_bias is no option of a head"}>
// expect(Clang): umsrep::type_error<umsrep::at<quote<6>{"lungs"}, quote<5>{"head"}>, umsrep::because<quote<31>{"no_bias is no option of a head"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using option = no_bias;
#else
using option = output<identity>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>>, head<"lungs", conv<1, 1>, loss::bce, option>> {};
static_assert(fits<net>);
