// SPDX-License-Identifier: MIT
// A layer among the stages of an encoder.
// expect(GNU): umsrep::type_error<umsrep::at<umsrep::quote<8>{"encoder"}>, umsrep::because<umsrep::quote<17>{"relu is no stage"}>
// expect(Clang): umsrep::type_error<umsrep::at<quote<8>{"encoder"}>, umsrep::because<quote<17>{"relu is no stage"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using part = relu;
#else
using part = stage<"e2", relu>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>, part>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(fits<net>);
