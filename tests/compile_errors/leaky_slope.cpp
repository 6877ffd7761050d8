// SPDX-License-Identifier: MIT
// A leaky relu that is none.
// expect(GNU): umsrep::layer_error<umsrep::at<umsrep::quote<8>{"encoder"}, umsrep::quote<16>{"e2.1 leaky_relu"}>, umsrep::because<umsrep::quote<35>{"expected a slope above 0, got -0.5"}>
// expect(Clang): umsrep::layer_error<umsrep::at<quote<8>{"encoder"}, quote<16>{"e2.1 leaky_relu"}>, umsrep::because<quote<35>{"expected a slope above 0, got -0.5"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using layer = leaky_relu_with<-0.5>;
#else
using layer = leaky_relu_with<0.5>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>, stage<"e2", relu, layer>>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(fits<net>);
