// SPDX-License-Identifier: MIT
// Two heads of one name.
// expect(GNU): umsrep::duplicate_name<umsrep::at<umsrep::quote<6>{"lungs"}>, umsrep::called<umsrep::quote<6>{"lungs"}>
// expect(Clang): umsrep::duplicate_name<umsrep::at<quote<6>{"lungs"}>, umsrep::called<quote<6>{"lungs"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using second = head<"lungs", conv<1, 1>, loss::bce>;
#else
using second = head<"heart", conv<1, 1>, loss::bce>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>>, head<"lungs", conv<1, 1>, loss::bce>, second> {};
static_assert(fits<net>);
