// SPDX-License-Identifier: MIT
// A head whose parameters would have the names of the encoder's.
// expect(GNU): umsrep::duplicate_name<umsrep::at<umsrep::quote<8>{"encoder"}>, umsrep::called<umsrep::quote<8>{"encoder"}>
// expect(Clang): umsrep::duplicate_name<umsrep::at<quote<8>{"encoder"}>, umsrep::called<quote<8>{"encoder"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using second = head<"encoder", conv<1, 1>, loss::bce>;
#else
using second = head<"heart", conv<1, 1>, loss::bce>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>>, head<"lungs", conv<1, 1>, loss::bce>, second> {};
static_assert(fits<net>);
