// SPDX-License-Identifier: MIT
// A network that does not begin with an encoder.
// expect(GNU): umsrep::type_error<umsrep::at<umsrep::quote<8>{"network"}>, umsrep::because<umsrep::quote<33>{"its first argument is no encoder"}>
// expect(Clang): umsrep::type_error<umsrep::at<quote<8>{"network"}>, umsrep::because<quote<33>{"its first argument is no encoder"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using first = stage<"e1", conv<8, 3>>;
#else
using first = encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>>;
#endif

struct net : network<first, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(fits<net>);
