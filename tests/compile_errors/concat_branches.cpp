// SPDX-License-Identifier: MIT
// Branches of a concatenation that differ in height and width.
// expect(GNU): umsrep::shape_error<umsrep::at<umsrep::quote<8>{"encoder"}, umsrep::quote<15>{"e2.1 concat_of"}>, umsrep::expected<8, 32, 32>, umsrep::got<8, 64, 64>
// expect(Clang): umsrep::shape_error<umsrep::at<quote<8>{"encoder"}, quote<15>{"e2.1 concat_of"}>, umsrep::expected<8, 32, 32>, umsrep::got<8, 64, 64>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using layer = concat_of<conv<8, 3>, max_pool<2>>;
#else
using layer = concat_of<conv<8, 3>, max_pool<3, stride<1>, padding<1>>>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>, stage<"e2", relu, layer>>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(fits<net>);
