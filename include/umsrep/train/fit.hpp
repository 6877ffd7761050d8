// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <umsrep/train/trainer.hpp>

namespace umsrep {

/// What a strategy leaves behind: one model for all tasks, or one for each where every task has an encoder of its own.
template <class Net, class Backend = default_backend<Net>>
class task_models {
public:
    using model_type = model<Net, Backend>;
    static constexpr int head_count = model_type::head_count;

    /// Whether a strategy ends in one model per task.
    template <class Strategy>
    static constexpr bool one_per_task =
        Strategy::tasks == scheme::separate ||
        (Strategy::tasks == scheme::independent &&
         (Strategy::trains::first_trained(network_traits<Net>::stage_count) < network_traits<Net>::stage_count ||
          Strategy::value(network_traits<Net>::stage_count).norms == norm_statistics::adaptive)); // a moving encoder, too

    explicit task_models(model_type first) { models_.push_back(std::move(first)); }

    /// Copies the first model until every task has its own, which predicts that task alone.
    void part_ways() {
        while (models_.size() < static_cast<std::size_t>(head_count)) models_.push_back(models_.front().clone());
        if (models_.size() > 1)
            for (int h = 0; h < head_count; ++h) of(h).predict_only(h);
    }

    std::size_t size() const { return models_.size(); }
    std::vector<model_type>& all() { return models_; }
    model_type& of(int head) { return models_[models_.size() == 1 ? 0 : static_cast<std::size_t>(head)]; }

    /// Every head's output, from the model that was trained for it.
    prediction<Net> predict(const xt::xtensor<float, 4>& images) {
        prediction<Net> result = models_.front().predict(images);
        for (std::size_t h = 1; h < models_.size(); ++h)
            result.outputs[h] = std::move(models_[h].predict(images).outputs[h]);
        return result;
    }

private:
    std::vector<model_type> models_;
};

namespace detail {

inline batch largest_batch(const data::loader& samples, const data::loader* valid) {
    return batch{static_cast<int>(std::max(samples.batch_size(), valid != nullptr ? valid->batch_size() : 0))};
}

} // namespace detail

/// What `fit` calls before each of its runs.
struct no_setup {
    template <class Trainer>
    void operator()(Trainer&, fit_options&, std::string_view /*task*/) const {}
};

/// Trains under a strategy. Joint and alternating are one run of all heads. Independent and separate are one run per head, in their own
/// models (`separate` draws each one's weights anew; `independent<frozen>` shares the encoder and trains head by head).
/// `setup(trainer, options, task)` is called before each run, to set losses, restore a checkpoint or say where to save one; `task` is
/// the head's name, or "" for a run of all heads. Returns the history of each run.
template <class Strategy, class Net, class Backend, optim::optimizer Optimizer, class Setup = no_setup>
std::vector<history> fit(task_models<Net, Backend>& tasks, Strategy, data::loader& samples, data::loader* valid, Optimizer optimizer,
                         const fit_options& o = {}, const train_options& how = {}, Setup setup = {}) {
    using models = task_models<Net, Backend>;
    std::vector<history> result;
    const auto run = [&](typename models::model_type& m, std::uint64_t heads, std::string_view task) {
        trainer t(m, Strategy{}, optimizer, detail::largest_batch(samples, valid), how, heads);
        fit_options own = o;
        setup(t, own, task);
        result.push_back(t.fit(samples, valid, own));
    };
    if constexpr (Strategy::tasks == scheme::joint || Strategy::tasks == scheme::alternating) {
        run(tasks.of(0), (std::uint64_t{1} << models::head_count) - 1, "");
    } else {
        if constexpr (models::template one_per_task<Strategy>) tasks.part_ways();
        for (int h = 0; h < models::head_count; ++h) {
            auto& m = tasks.of(h);
            const std::string task(m.network().heads[static_cast<std::size_t>(h)].name);
            if constexpr (Strategy::tasks == scheme::separate) m.initialize(derived_seed(m.initial_seed(), task));
            run(m, std::uint64_t{1} << h, task);
        }
    }
    return result;
}

template <class Strategy, class Net, class Backend, optim::optimizer Optimizer, class Setup = no_setup>
std::vector<history> fit(task_models<Net, Backend>& tasks, Strategy s, data::loader& samples, data::loader& valid, Optimizer optimizer,
                         const fit_options& o = {}, const train_options& how = {}, Setup setup = {}) {
    return fit(tasks, s, samples, &valid, optimizer, o, how, setup);
}

/// Trains one model; `valid` may be null. For strategies that end in one model per task, use task_models.
template <class Strategy, class Net, class Backend, optim::optimizer Optimizer>
history fit(model<Net, Backend>& m, Strategy, data::loader& samples, data::loader* valid, Optimizer optimizer, const fit_options& o = {},
            const train_options& how = {}) {
    static_assert(!task_models<Net, Backend>::template one_per_task<Strategy> && Strategy::tasks != scheme::independent,
                  "umsrep: this strategy trains tasks one by one; fit a task_models instead of a model");
    trainer t(m, Strategy{}, optimizer, detail::largest_batch(samples, valid), how);
    return t.fit(samples, valid, o);
}
template <class Strategy, class Net, class Backend, optim::optimizer Optimizer>
history fit(model<Net, Backend>& m, Strategy s, data::loader& samples, data::loader& valid, Optimizer optimizer, const fit_options& o = {},
            const train_options& how = {}) {
    return fit(m, s, samples, &valid, optimizer, o, how);
}

} // namespace umsrep
