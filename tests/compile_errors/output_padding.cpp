// SPDX-License-Identifier: MIT
// An output padding that stride cannot have merged.
// expect(GNU): umsrep::layer_error<umsrep::at<umsrep::quote<8>{"encoder"}, umsrep::quote<20>{"e2.1 conv_transpose"}>, umsrep::because<umsrep::quote<32>{"output_padding not below stride"}>
// expect(Clang): umsrep::layer_error<umsrep::at<quote<8>{"encoder"}, quote<20>{"e2.1 conv_transpose"}>, umsrep::because<quote<32>{"output_padding not below stride"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using layer = conv_transpose<8, 2, stride<2>, output_padding<2>>;
#else
using layer = conv_transpose<8, 2, stride<2>, output_padding<1>>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>, stage<"e2", relu, layer>>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(fits<net>);
