// SPDX-License-Identifier: MIT
// Two taps of one name.
// expect(GNU): umsrep::duplicate_name<umsrep::at<umsrep::quote<8>{"encoder"}, umsrep::quote<11>{"e2.1.2 tap"}>, umsrep::called<umsrep::quote<5>{"here"}>
// expect(Clang): umsrep::duplicate_name<umsrep::at<quote<8>{"encoder"}, quote<11>{"e2.1.2 tap"}>, umsrep::called<quote<5>{"here"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using layer = seq<tap<"here">, relu, tap<"here">>;
#else
using layer = seq<tap<"here">, relu, tap<"there">>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>, stage<"e2", relu, layer>>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(fits<net>);
