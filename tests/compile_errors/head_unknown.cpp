// SPDX-License-Identifier: MIT
// A training step of a head that the network does not have.
// expect(GNU): umsrep::unknown_head<umsrep::called<umsrep::quote<6>{"heart"}>
// expect(Clang): umsrep::unknown_head<umsrep::called<quote<6>{"heart"}>
#include <umsrep/loss/bce.hpp>
#include <umsrep/network/facts.hpp>

using namespace umsrep;

#ifdef KO
using step_mode = train<alternating<>, "heart">;
#else
using step_mode = train<alternating<>, "lungs">;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>>, head<"lungs", conv<1, 1>, loss::bce>> {};
static_assert(training_macs<net, alternating<>> > 0);
static_assert(macs_per_sample<net, step_mode> > 0);
