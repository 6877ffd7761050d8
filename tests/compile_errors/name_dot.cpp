// SPDX-License-Identifier: MIT
// A name that would break the dotted names of parameters.
// expect(GNU): umsrep::layer_error<umsrep::at<umsrep::quote<8>{"encoder"}, umsrep::quote<9>{"e2.1.a.b"}>, umsrep::because<umsrep::quote<35>{"a name needs characters and no dot"}>
// expect(Clang): umsrep::layer_error<umsrep::at<quote<8>{"encoder"}, quote<9>{"e2.1.a.b"}>, umsrep::because<quote<35>{"a name needs characters and no dot"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using layer = seq<named<"a.b", conv<8, 3>>>;
#else
using layer = seq<named<"a", conv<8, 3>>>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>, stage<"e2", relu, layer>>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(fits<net>);
