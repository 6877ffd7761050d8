// SPDX-License-Identifier: MIT
// A pooling window larger than the image.
// expect(GNU): umsrep::window_error<umsrep::at<umsrep::quote<8>{"encoder"}, umsrep::quote<14>{"e2.1 max_pool"}>, umsrep::window_size<16, 16>, umsrep::padded_image_size<8, 8>
// expect(Clang): umsrep::window_error<umsrep::at<quote<8>{"encoder"}, quote<14>{"e2.1 max_pool"}>, umsrep::window_size<16, 16>, umsrep::padded_image_size<8, 8>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using layer = max_pool<16>;
#else
using layer = max_pool<8>;
#endif

struct net : network<encoder<image<1, 8, 8>, stage<"e1", conv<8, 3>>, stage<"e2", relu, layer>>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(fits<net>);
