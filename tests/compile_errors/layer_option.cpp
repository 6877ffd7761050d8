// SPDX-License-Identifier: MIT
// An option that the layer does not have.
// expect(GNU): umsrep::type_error<umsrep::at<umsrep::quote<8>{"encoder"}, umsrep::quote<10>{"e2.1 conv"}>, umsrep::because<umsrep::quote<27>{"it has no option no_affine"}>
// expect(Clang): umsrep::type_error<umsrep::at<quote<8>{"encoder"}, quote<10>{"e2.1 conv"}>, umsrep::because<quote<27>{"it has no option no_affine"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using layer = conv<8, 3, no_affine>;
#else
using layer = conv<8, 3, no_bias>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>, stage<"e2", relu, layer>>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(fits<net>);
