// SPDX-License-Identifier: MIT
// Two layers whose parameters would have one name.
// expect(GNU): umsrep::duplicate_name<umsrep::at<umsrep::quote<8>{"encoder"}, umsrep::quote<10>{"e2.1.conv"}>, umsrep::called<umsrep::quote<5>{"conv"}>
// expect(Clang): umsrep::duplicate_name<umsrep::at<quote<8>{"encoder"}, quote<10>{"e2.1.conv"}>, umsrep::called<quote<5>{"conv"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using layer = seq<named<"conv", conv<8, 3>>, named<"conv", conv<8, 3>>>;
#else
using layer = seq<named<"conv", conv<8, 3>>, named<"conv2", conv<8, 3>>>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>, stage<"e2", relu, layer>>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(fits<net>);
