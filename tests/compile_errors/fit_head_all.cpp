// SPDX-License-Identifier: MIT
// One head is to be trained, and with it the encoder that the others read.
// expect: umsrep: fit_head: other heads read the encoder
#include <umsrep/loss/bce.hpp>
#include <umsrep/optim/sgd.hpp>
#include <umsrep/train/fit_head.hpp>

using namespace umsrep;

#ifdef KO
using strategy_type = joint<last<1>>;
#else
using strategy_type = joint<frozen>;
#endif

struct net : network<encoder<image<1, 16, 16>, stage<"e1", conv<8, 3>>>, head<"lungs", conv<1, 1>, loss::bce>,
                     head<"heart", conv<1, 1>, loss::bce>> {};
void train_one(model<net>& m, data::loader& samples) { fit_head<"heart", strategy_type>(m, samples, nullptr, optim::sgd{}); }
