// SPDX-License-Identifier: MIT
// A decoder back to the image whose size no whole factor reaches: 13 x 5 = 65, not 64.
// expect: shape_error<umsrep::at<
// expect: umsrep::expected<1, 64, 64>, umsrep::got<1, 52, 52>
#include <umsrep/loss/dice_bce.hpp>
#include <umsrep/network/facts.hpp>
#include <umsrep/network/feature_pyramid.hpp>

using namespace umsrep;

#ifdef KO
using downwards = avg_pool<9, stride<5>, padding<4>>;
#else
using downwards = avg_pool<4>;
#endif

struct net : network<encoder<image<1, 64, 64>, stage<"e1", downwards, conv<8, 3>>>, head<"lungs", feature_pyramid<>, loss::dice_bce>> {};
static_assert(parameters<net> > 0);
