// SPDX-License-Identifier: MIT
// Groups that do not divide the channels that a convolution gives.
// expect(GNU): umsrep::channels_error<umsrep::at<umsrep::quote<8>{"encoder"}, umsrep::quote<17>{"e2.1 conv output"}>, umsrep::multiple_of<4>, umsrep::got<10>
// expect(Clang): umsrep::channels_error<umsrep::at<quote<8>{"encoder"}, quote<17>{"e2.1 conv output"}>, umsrep::multiple_of<4>, umsrep::got<10>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using layer = conv<10, 3, groups<4>>;
#else
using layer = conv<12, 3, groups<4>>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>, stage<"e2", relu, layer>>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(fits<net>);
