// SPDX-License-Identifier: MIT
// Numbers written by hand that meet those of the sequence around them: two parameters would have one name.
// expect(GNU): umsrep::duplicate_name<umsrep::at<umsrep::quote<8>{"encoder"}, umsrep::quote<5>{"e1.1"}>, umsrep::called<umsrep::quote<2>{"1"}>
// expect(Clang): umsrep::duplicate_name<umsrep::at<quote<8>{"encoder"}, quote<5>{"e1.1"}>, umsrep::called<quote<2>{"1"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using layers = seq<conv<8, 3>, conv<8, 3>, numbered<1, conv<8, 3>>>;
#else
using layers = seq<conv<8, 3>, conv<8, 3>, numbered<2, conv<8, 3>>>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", unnamed<layers>>>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(fits<net>);
