// SPDX-License-Identifier: MIT
// An even kernel cannot keep the size by itself: it needs its padding said.
// expect(GNU): umsrep::layer_error<umsrep::at<umsrep::quote<8>{"encoder"}, umsrep::quote<10>{"e2.1 conv"}>, umsrep::because<umsrep::quote<34>{"even kernel 4 x 4 needs a padding"}>
// expect(Clang): umsrep::layer_error<umsrep::at<quote<8>{"encoder"}, quote<10>{"e2.1 conv"}>, umsrep::because<quote<34>{"even kernel 4 x 4 needs a padding"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using layer = conv<8, 4>;
#else
using layer = conv<8, 4, padding<1>>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>, stage<"e2", relu, layer>>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(fits<net>);
