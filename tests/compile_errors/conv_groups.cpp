// SPDX-License-Identifier: MIT
// Groups that do not divide the channels of a convolution.
// expect(GNU): umsrep::channels_error<umsrep::at<umsrep::quote<8>{"encoder"}, umsrep::quote<16>{"e2.1 conv input"}>, umsrep::multiple_of<3>, umsrep::got<8>
// expect(Clang): umsrep::channels_error<umsrep::at<quote<8>{"encoder"}, quote<16>{"e2.1 conv input"}>, umsrep::multiple_of<3>, umsrep::got<8>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using layer = conv<12, 3, groups<3>>;
#else
using layer = conv<12, 3, groups<4>>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>, stage<"e2", relu, layer>>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(fits<net>);
