// SPDX-License-Identifier: MIT
// A type in a sequence that is no layer.
// expect(GNU): umsrep::type_error<umsrep::at<umsrep::quote<8>{"encoder"}, umsrep::quote<7>{"e2.1.0"}>, umsrep::because<umsrep::quote<22>{"loss::bce is no layer"}>
// expect(Clang): umsrep::type_error<umsrep::at<quote<8>{"encoder"}, quote<7>{"e2.1.0"}>, umsrep::because<quote<22>{"loss::bce is no layer"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using layer = seq<loss::bce>;
#else
using layer = seq<relu>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>, stage<"e2", relu, layer>>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(fits<net>);
