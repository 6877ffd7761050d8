// SPDX-License-Identifier: MIT
// A phase that trains all tasks in one model, after one that gave each its own encoder.
// expect: umsrep: phases: once each task has an encoder of its own, only `independent` phases may follow
#include <umsrep/loss/bce.hpp>
#include <umsrep/optim/sgd.hpp>
#include <umsrep/train/phases.hpp>

using namespace umsrep;

#ifdef KO
using second = joint<all>;
#else
using second = independent<all>;
#endif

struct net : network<encoder<image<1, 16, 16>, stage<"e1", conv<8, 3>>>, head<"lungs", conv<1, 1>, loss::bce>> {};
void train_all(task_models<net>& tasks, data::loader& samples) {
    fit(tasks, phases{phase_of<independent<all>>{1}, phase_of<second>{1}}, samples, nullptr, optim::sgd{});
}
