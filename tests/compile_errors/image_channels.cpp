// SPDX-License-Identifier: MIT
// An image without channels.
// expect(GNU): umsrep::layer_error<umsrep::at<umsrep::quote<8>{"encoder"}, umsrep::quote<6>{"image"}>, umsrep::because<umsrep::quote<36>{"expected positive channels and size"}>
// expect(Clang): umsrep::layer_error<umsrep::at<quote<8>{"encoder"}, quote<6>{"image"}>, umsrep::because<quote<36>{"expected positive channels and size"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using picture = image<0, 64, 64>;
#else
using picture = image<1, 64, 64>;
#endif

struct net : network<encoder<picture, stage<"e1", conv<8, 3>>>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(fits<net>);
