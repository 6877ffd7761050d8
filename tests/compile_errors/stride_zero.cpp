// SPDX-License-Identifier: MIT
// A stride of 0.
// expect(GNU): umsrep::layer_error<umsrep::at<umsrep::quote<8>{"encoder"}, umsrep::quote<10>{"e2.1 conv"}>, umsrep::because<umsrep::quote<32>{"expected positive stride, got 0"}>
// expect(Clang): umsrep::layer_error<umsrep::at<quote<8>{"encoder"}, quote<10>{"e2.1 conv"}>, umsrep::because<quote<32>{"expected positive stride, got 0"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using layer = conv<8, 3, stride<0>>;
#else
using layer = conv<8, 3, stride<1>>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>, stage<"e2", relu, layer>>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(fits<net>);
