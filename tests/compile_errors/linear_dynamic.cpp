// SPDX-License-Identifier: MIT
// A fully connected layer on an image whose size is not known.
// expect(GNU): umsrep::dynamic_size_error<umsrep::at<umsrep::quote<8>{"encoder"}, umsrep::quote<12>{"e2.1 linear"}>, umsrep::because<umsrep::quote<35>{"needs fixed size or global pooling"}>
// expect(Clang): umsrep::dynamic_size_error<umsrep::at<quote<8>{"encoder"}, quote<12>{"e2.1 linear"}>, umsrep::because<quote<35>{"needs fixed size or global pooling"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using layer = linear<4>;
#else
using layer = seq<global_avg_pool, linear<4>>;
#endif

struct net : network<encoder<image<1, dynamic, dynamic>, stage<"e1", conv<8, 3>>, stage<"e2", relu, layer>>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(fits<net>);
