// SPDX-License-Identifier: MIT
// Dropout of everything.
// expect(GNU): umsrep::layer_error<umsrep::at<umsrep::quote<8>{"encoder"}, umsrep::quote<13>{"e2.1 dropout"}>, umsrep::because<umsrep::quote<31>{"probability 1 is not in [0, 1)"}>
// expect(Clang): umsrep::layer_error<umsrep::at<quote<8>{"encoder"}, quote<13>{"e2.1 dropout"}>, umsrep::because<quote<31>{"probability 1 is not in [0, 1)"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using layer = dropout<1>;
#else
using layer = dropout<0.5>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>, stage<"e2", relu, layer>>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(fits<net>);
