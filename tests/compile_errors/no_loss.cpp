// SPDX-License-Identifier: MIT
// A head whose loss is none.
// expect(GNU): umsrep::type_error<umsrep::at<umsrep::quote<6>{"lungs"}, umsrep::quote<5>{"loss"}>, umsrep::because<umsrep::quote<16>{"relu is no loss"}>
// expect(Clang): umsrep::type_error<umsrep::at<quote<6>{"lungs"}, quote<5>{"loss"}>, umsrep::because<quote<16>{"relu is no loss"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

#ifdef KO
using task_loss = relu;
#else
using task_loss = loss::bce;
#endif

struct net : network<encoder<image<1, 64, 64>,
    stage<"e1", conv<8, 3>>,
    stage<"e2", max_pool<2>, conv<16, 3>>,
    stage<"e3", max_pool<2>, conv<32, 3>>>,
    head<"lungs", conv<1, 1>, task_loss>> {};
static_assert(fits<net>);
