// SPDX-License-Identifier: MIT
// A network without heads.
// expect(GNU): umsrep::layer_error<umsrep::at<umsrep::quote<8>{"network"}>, umsrep::because<umsrep::quote<30>{"expected 1 to 63 heads, got 0"}>
// expect(Clang): umsrep::layer_error<umsrep::at<quote<8>{"network"}>, umsrep::because<quote<30>{"expected 1 to 63 heads, got 0"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>>> {};
#else
struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>>, head<"lungs", conv<1, 1>, loss::bce>> {};
#endif


static_assert(fits<net>);
