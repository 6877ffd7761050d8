// SPDX-License-Identifier: MIT
// A phase that throws away what the one before it has learnt.
// expect: umsrep: phases: `separate` draws new weights, so no phase can build on another
#include <umsrep/loss/bce.hpp>
#include <umsrep/optim/sgd.hpp>
#include <umsrep/train/phases.hpp>

using namespace umsrep;

#ifdef KO
using second = separate;
#else
using second = independent<all>;
#endif

struct net : network<encoder<image<1, 16, 16>, stage<"e1", conv<8, 3>>>, head<"lungs", conv<1, 1>, loss::bce>> {};
void train_all(task_models<net>& tasks, data::loader& samples) {
    fit(tasks, phases{phase_of<independent<frozen>>{1}, phase_of<second>{1}}, samples, nullptr, optim::sgd{});
}
