// SPDX-License-Identifier: MIT
// Two stages of one name.
// expect(GNU): umsrep::duplicate_name<umsrep::at<umsrep::quote<8>{"encoder"}, umsrep::quote<3>{"e1"}>, umsrep::called<umsrep::quote<3>{"e1"}>
// expect(Clang): umsrep::duplicate_name<umsrep::at<quote<8>{"encoder"}, quote<3>{"e1"}>, umsrep::called<quote<3>{"e1"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using second = stage<"e1", conv<8, 3>>;
#else
using second = stage<"e2", conv<8, 3>>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>, second>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(fits<net>);
