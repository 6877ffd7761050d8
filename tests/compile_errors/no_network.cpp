// SPDX-License-Identifier: MIT
// A type that is no network.
// expect(GNU): umsrep::type_error<umsrep::at<umsrep::quote<8>{"network"}>, umsrep::because<umsrep::quote<31>{"image<1, 64, 64> is no network"}>
// expect(Clang): umsrep::type_error<umsrep::at<quote<8>{"network"}>, umsrep::because<quote<31>{"image<1, 64, 64> is no network"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using net = image<1, 64, 64>;
#else
struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>>, head<"lungs", conv<1, 1>, loss::bce>> {};
#endif


static_assert(fits<net>);
