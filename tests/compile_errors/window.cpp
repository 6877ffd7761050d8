// SPDX-License-Identifier: MIT
// A window larger than the image it slides over.
// expect(GNU): umsrep::window_error<umsrep::at<umsrep::quote<8>{"encoder"}, umsrep::quote<10>{"e2.1 conv"}>, umsrep::window_size<9, 9>, umsrep::padded_image_size<8, 8>
// expect(Clang): umsrep::window_error<umsrep::at<quote<8>{"encoder"}, quote<10>{"e2.1 conv"}>, umsrep::window_size<9, 9>, umsrep::padded_image_size<8, 8>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using layer = conv<8, 9, padding<0>>;
#else
using layer = conv<8, 8, padding<0>>;
#endif

struct net : network<encoder<image<1, 8, 8>, stage<"e1", conv<8, 3>>, stage<"e2", relu, layer>>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(fits<net>);
