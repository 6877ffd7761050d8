// SPDX-License-Identifier: MIT
// A residual whose body gives another shape than its shortcut.
// expect(GNU): umsrep::shape_error<umsrep::at<umsrep::quote<8>{"encoder"}, umsrep::quote<12>{"e2.1 sum_of"}>, umsrep::expected<8, 64, 64>, umsrep::got<16, 64, 64>
// expect(Clang): umsrep::shape_error<umsrep::at<quote<8>{"encoder"}, quote<12>{"e2.1 sum_of"}>, umsrep::expected<8, 64, 64>, umsrep::got<16, 64, 64>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using layer = residual<conv<16, 3>>;
#else
using layer = residual<conv<8, 3>>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>, stage<"e2", relu, layer>>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(fits<net>);
