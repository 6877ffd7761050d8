// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <umsrep/train/fit.hpp>

namespace umsrep {

/// A part of a fine-tuning run: a strategy, how long, and at which share of the optimiser's learning rate.
template <class Strategy>
struct phase_of {
    int epochs = 1;
    double learning_rate = 1; ///< times that of the optimiser
};

/// Strategies one after another on the same model:
/// `phases{phase_of<joint<frozen>>{3}, phase_of<joint<all>>{.epochs = 10, .learning_rate = 0.1}}`.
template <class... Strategies>
struct phases {
    std::tuple<phase_of<Strategies>...> list;
    explicit phases(phase_of<Strategies>... p) : list{p...} {}
};

/// First the heads alone on the encoder as it is, then everything at `factor` times the learning rate: heads that know their task do not
/// distort the features. Kumar et al., "Fine-tuning can distort pretrained features and underperform out-of-distribution", ICLR 2022.
template <template <class, norm_statistics> class Scheme = joint>
auto linear_probe_then_fine_tune(int probe_epochs, int tune_epochs, double factor = 0.1) {
    return phases{phase_of<Scheme<frozen, norm_statistics::trained>>{probe_epochs, 1},
                  phase_of<Scheme<all, norm_statistics::trained>>{tune_epochs, factor}};
}

/// The heads alone, then stage by stage from the deepest, each phase at `factor` times the learning rate of the one before.
/// Howard, Ruder, "Universal language model fine-tuning for text classification", ACL 2018.
template <class Net, template <class, norm_statistics> class Scheme = joint>
auto gradual_unfreezing(int epochs_each, double factor = 1) {
    constexpr auto norms = norm_statistics::trained;
    return [&]<int... K>(std::integer_sequence<int, K...>) { // the last of them is what `all` means
        return phases{phase_of<Scheme<frozen, norms>>{epochs_each, 1},
                      phase_of<Scheme<last<K + 1>, norms>>{epochs_each, std::pow(factor, K + 1)}...};
    }(std::make_integer_sequence<int, network_traits<Net>::stage_count>{});
}

namespace detail {

/// Calls `run(strategy, number from 1, optimiser, run's options, trainer's options)` for every phase.
template <class... S, class Model, class Optimizer, class Run>
void for_each_phase(const phases<S...>& plan, const Model& m, const Optimizer& optimizer, fit_options o, const train_options& how,
                    Run run) {
    static_assert(sizeof...(S) > 0, "umsrep: phases: at least one phase");
    static_assert(((S::tasks != scheme::separate) && ...),
                  "umsrep: phases: `separate` draws new weights, so no phase can build on another");
    int number = 0;
    const auto check = [&](const auto& p) {
        const std::string name = "phase " + std::to_string(++number);
        if (p.epochs < 0) throw option_error(name + ": epochs", "0 or more", std::to_string(p.epochs));
        if (!(p.learning_rate > 0) || !std::isfinite(p.learning_rate))
            throw option_error(name + ": learning rate", "a factor above 0", std::to_string(p.learning_rate));
    };
    std::apply([&](const auto&... p) { (check(p), ...); }, plan.list);

    train_options of_phase = how;
    if (of_phase.l2_sp && of_phase.l2_sp->start.empty()) // towards where the first phase started
        of_phase.l2_sp->start.assign(m.parameters().begin(), m.parameters().end());
    number = 0;
    const auto one = [&]<class Strategy>(const phase_of<Strategy>& p) {
        ++number;
        Optimizer slower = optimizer;
        slower.lr *= p.learning_rate;
        o.epochs = p.epochs;
        if (number > 1) of_phase.random = derived_seed(how.random, "phase " + std::to_string(number));
        run(Strategy{}, number, slower, o, of_phase);
        o.first_epoch += static_cast<std::uint64_t>(p.epochs); // new augmentation, not that of the first phase again
    };
    std::apply([&](const auto&... p) { (one(p), ...); }, plan.list);
}

/// Whether no phase that trains all tasks in one model comes after one that gave each its own.
template <class Models, class... S>
constexpr bool stays_parted() {
    bool parted = false, well = true;
    const auto look = [&](bool parts, bool together) {
        parted = parted || parts;
        well = well && !(parted && together);
    };
    (look(Models::template one_per_task<S>, S::tasks == scheme::joint || S::tasks == scheme::alternating), ...);
    return well;
}

} // namespace detail

/// Trains phase by phase; `o.epochs` is each phase's own, patience and best model are counted within it. The optimiser's moments and the
/// schedule begin anew with a phase; the loader's epochs go on. `setup(trainer, options, name)` is called before each run, with "phase1",
/// "phase2", ... and behind it ".lungs" where the head "lungs" trains alone: a run whose checkpoint is restored there goes on in the phase
/// where it was, see io/resume.hpp. Returns the history of each run.
/// Throws option_error, before anything is trained, for a phase that cannot be.
template <class... S, class Net, class Backend, optim::optimizer Optimizer, class Setup = no_setup>
std::vector<history> fit(task_models<Net, Backend>& tasks, phases<S...> plan, data::loader& samples, data::loader* valid,
                         Optimizer optimizer, const fit_options& o = {}, const train_options& how = {}, Setup setup = {}) {
    static_assert(detail::stays_parted<task_models<Net, Backend>, S...>(),
                  "umsrep: phases: once each task has an encoder of its own, only `independent` phases may follow");
    std::vector<history> result;
    detail::for_each_phase(
        plan, tasks.of(0), optimizer, o, how,
        [&](auto strategy, int number, const Optimizer& slower, const fit_options& of_run, const train_options& of_phase) {
            const auto named = [&](auto& t, fit_options& own, std::string_view task) {
                setup(t, own, "phase" + std::to_string(number) + (task.empty() ? "" : "." + std::string(task)));
            };
            for (history& h : fit(tasks, strategy, samples, valid, slower, of_run, of_phase, named)) result.push_back(std::move(h));
        });
    return result;
}

/// The same for one model, where no strategy parts the tasks.
template <class... S, class Net, class Backend, optim::optimizer Optimizer, class Setup = no_setup>
std::vector<history> fit(model<Net, Backend>& m, phases<S...> plan, data::loader& samples, data::loader* valid, Optimizer optimizer,
                         const fit_options& o = {}, const train_options& how = {}, Setup setup = {}) {
    static_assert(((!task_models<Net, Backend>::template one_per_task<S> && S::tasks != scheme::independent) && ...),
                  "umsrep: phases: one of them trains tasks one by one; fit a task_models instead of a model");
    std::vector<history> result;
    detail::for_each_phase(plan, m, optimizer, o, how,
                           [&](auto strategy, int number, const Optimizer& slower, fit_options own, const train_options& of_phase) {
                               trainer t(m, strategy, slower, detail::largest_batch(samples, valid), of_phase);
                               setup(t, own, "phase" + std::to_string(number));
                               result.push_back(t.fit(samples, valid, own));
                           });
    return result;
}

template <class... S, class Net, class Backend, optim::optimizer Optimizer, class Setup = no_setup>
std::vector<history> fit(task_models<Net, Backend>& tasks, phases<S...> plan, data::loader& samples, data::loader& valid,
                         Optimizer optimizer, const fit_options& o = {}, const train_options& how = {}, Setup setup = {}) {
    return fit(tasks, plan, samples, &valid, optimizer, o, how, setup);
}
template <class... S, class Net, class Backend, optim::optimizer Optimizer, class Setup = no_setup>
std::vector<history> fit(model<Net, Backend>& m, phases<S...> plan, data::loader& samples, data::loader& valid, Optimizer optimizer,
                         const fit_options& o = {}, const train_options& how = {}, Setup setup = {}) {
    return fit(m, plan, samples, &valid, optimizer, o, how, setup);
}

} // namespace umsrep
