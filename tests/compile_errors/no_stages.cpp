// SPDX-License-Identifier: MIT
// An encoder without stages.
// expect(GNU): umsrep::layer_error<umsrep::at<umsrep::quote<8>{"encoder"}>, umsrep::because<umsrep::quote<25>{"an encoder needs a stage"}>
// expect(Clang): umsrep::layer_error<umsrep::at<quote<8>{"encoder"}>, umsrep::because<quote<25>{"an encoder needs a stage"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
struct net : network<encoder<image<1, 64, 64>>, head<"lungs", conv<1, 1>, loss::bce>> {};
#else
using part = stage<"e1", conv<8, 3>>;
struct net : network<encoder<image<1, 64, 64>, part>, head<"lungs", conv<1, 1>, loss::bce>> {};
#endif


static_assert(fits<net>);
