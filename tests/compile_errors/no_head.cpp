// SPDX-License-Identifier: MIT
// A loss among the heads of a network.
// expect(GNU): umsrep::type_error<umsrep::at<umsrep::quote<8>{"network"}>, umsrep::because<umsrep::quote<21>{"loss::bce is no head"}>
// expect(Clang): umsrep::type_error<umsrep::at<quote<8>{"network"}>, umsrep::because<quote<21>{"loss::bce is no head"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using task = loss::bce;
#else
using task = head<"heart", conv<1, 1>, loss::bce>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>>, head<"lungs", conv<1, 1>, loss::bce>, task> {};
static_assert(fits<net>);
