// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <umsrep/data/geometry.hpp>
#include <umsrep/io/encoder_file.hpp>
#include <umsrep/statistics/quantile.hpp>

#include "job.hpp"
#include "network.hpp"

// Compiled once, in kernels.cpp.
extern template struct umsrep::cpu<umsrep::winograd, experiment::kernels>;

namespace experiment {

/// A strategy at run time: which tasks step together, how many of the deepest stages train.
struct phase {
    umsrep::scheme tasks;
    int stages;
    int epochs;
    double learning_rate; ///< times that of the schedule
};

/// What the arm does, one after another. All arms have the same number of epochs in all.
inline std::vector<phase> phases_of(const arm& a, int epochs, int stages) {
    switch (a.encoder) {
    case tuning::frozen: return {{a.tasks, 0, epochs, 1}};
    case tuning::last1: return {{a.tasks, 1, epochs, 1}};
    case tuning::all: return {{a.tasks, stages, epochs, 1}};
    case tuning::lpft: { // as umsrep::linear_probe_then_fine_tune
        const int probe = epochs / 3;
        return {{a.tasks, 0, probe, 1}, {a.tasks, stages, epochs - probe, 0.1}};
    }
    case tuning::gradual: break;
    }
    std::vector<phase> result; // as umsrep::gradual_unfreezing
    for (int k = 0; k <= stages; ++k)
        result.push_back({a.tasks, k, (k + 1) * epochs / (stages + 1) - k * epochs / (stages + 1), std::pow(0.7, k)});
    return result;
}

/// Calls `f` with the type of the strategy; the trainer behind it is the same class for all of them.
template <int Stages, class F>
void with_strategy(umsrep::scheme tasks, int trained, bool cached, F f) {
    const auto with_encoder = [&]<class Trains>(Trains) {
        if (tasks == umsrep::scheme::joint) f(umsrep::joint<Trains>{});
        else if (tasks == umsrep::scheme::alternating) f(umsrep::alternating<Trains>{});
        else f(umsrep::independent<Trains>{}); // `separate` differs from it in where the weights come from only
    };
    if (cached) return f(umsrep::cached<umsrep::joint<umsrep::frozen>>{});
    if (trained == 0) return with_encoder(umsrep::frozen{});
    [&]<int... K>(std::integer_sequence<int, K...>) {
        ((trained == K + 1 ? with_encoder(umsrep::last<K + 1>{}) : void()), ...);
    }(std::make_integer_sequence<int, Stages>{});
}

inline umsrep::balancing_policy policy_of(const std::string& name) {
    namespace balance = umsrep::balance;
    if (name.empty()) return {};
    if (name == "uncertainty") return balance::uncertainty{};
    if (name == "dwa") return balance::dwa{};
    if (name == "gradnorm") return balance::gradnorm{};
    if (name == "pcgrad") return balance::pcgrad{};
    if (name == "cagrad") return balance::cagrad{};
    if (name == "imtl") return balance::imtl{};
    if (name == "famo") return balance::famo{};
    if (name == "random") return balance::random_weights{};
    if (name == "geometric") return balance::geometric_mean{};
    throw umsrep::option_error("balancing policy", "one that an arm names", "'" + name + "'");
}

/// Every sample `times` times: few labelled images make an epoch worth validating.
class repeated {
public:
    repeated(std::vector<umsrep::data::sample> samples, std::size_t times) : samples_{std::move(samples)}, times_{times} {}
    std::size_t size() const { return samples_.size() * times_; }
    umsrep::data::sample get(std::size_t index, umsrep::random_stream&) const { return samples_.at(index % samples_.size()); }

private:
    std::vector<umsrep::data::sample> samples_;
    std::size_t times_;
};

/// Trains one arm on a network and predicts the test images.
template <class Net>
class arm_run {
    using model = umsrep::model<Net, backend>;
    using models = umsrep::task_models<Net, backend>;
    static constexpr int heads = models::head_count, stages = umsrep::network_traits<Net>::stage_count;
    static constexpr std::uint64_t all_heads = (std::uint64_t{1} << heads) - 1;

public:
    explicit arm_run(const job& j) : job_{&j}, phases_{phases_of(j.what, j.how.epochs, stages)}, tasks_{first_model(j)} {
        for (const auto& head : tasks_.of(0).network().heads) names_.emplace_back(head.name);
        valid_images_ = images(j.images->valid);
        if (parts()) tasks_.part_ways();
    }

    outcome operator()() {
        if (one_by_one())
            for (int h = 0; h < heads; ++h) {
                if (job_->what.tasks == umsrep::scheme::separate)
                    tasks_.of(h).initialize(derived_seed(tasks_.of(h).initial_seed(), name_of(h)));
                train(tasks_.of(h), std::uint64_t{1} << h, name_of(h));
            }
        else train(tasks_.of(0), all_heads, "");
        count_parameters();
        measure_latency();
        result_.valid = predict(job_->images->valid);
        result_.test = predict(job_->images->test);
        result_.shifted = predict(job_->images->shifted);
        return std::move(result_);
    }

private:
    bool one_by_one() const { return job_->what.tasks == umsrep::scheme::separate || job_->what.tasks == umsrep::scheme::independent; }
    /// Whether each task ends with an encoder of its own.
    bool parts() const { return one_by_one() && std::ranges::any_of(phases_, [](const phase& p) { return p.stages > 0; }); }

    static model first_model(const job& j) {
        const auto& image = j.labelled.front().image;
        model m{umsrep::seed{j.seed}, umsrep::extent{static_cast<int>(image.shape()[1]), static_cast<int>(image.shape()[2])},
                umsrep::batch{j.how.batch}, umsrep::threads{j.threads}};
        if (!j.encoder.empty()) umsrep::io::load_encoder(m, j.encoder);
        return m;
    }

    const std::string& name_of(int h) const { return names_[static_cast<std::size_t>(h)]; }

    /// Samples with a label for `task`, or all.
    static std::vector<umsrep::data::sample> labelled(std::vector<umsrep::data::sample> samples, const std::string& task) {
        if (!task.empty()) std::erase_if(samples, [&](const auto& s) { return s.find(task) == nullptr; });
        return samples;
    }

    /// How often each labelled image comes in an epoch: by the labels of one task, so that each task sees as many in any arm. Tasks that
    /// take turns pass most batches.
    std::size_t repetitions() const {
        std::size_t labels = job_->labelled.size();
        for (int h = 0; h < heads; ++h) labels = std::min(labels, labelled(job_->labelled, name_of(h)).size());
        const auto wanted = static_cast<std::size_t>(job_->how.images_per_epoch);
        const std::size_t turns = job_->what.tasks == umsrep::scheme::alternating ? std::size_t{heads} : 1;
        return turns * std::max<std::size_t>(1, (wanted + labels / 2) / labels);
    }

    umsrep::data::loader training_loader(const model& m, const std::string& task) const {
        repeated samples{labelled(job_->labelled, task), repetitions()};
        const auto shuffled = [&](auto set) {
            return umsrep::data::loader{std::move(set), static_cast<std::size_t>(job_->how.batch), m.image(), umsrep::head_specs(m),
                                        {.random = derived_seed(umsrep::seed{job_->seed}, "order")}};
        };
        if (job_->what.cached) return shuffled(std::move(samples));
        return shuffled(umsrep::data::transformed(std::move(samples), umsrep::data::random_affine{.rotation = 4, .scale = 0.1f}));
    }

    umsrep::data::loader validation_loader(const model& m, const std::string& task) const {
        std::vector<umsrep::data::sample> samples;
        for (const item& i : job_->images->valid) samples.push_back(i.sample);
        return {umsrep::data::sample_list{labelled(std::move(samples), task)}, static_cast<std::size_t>(job_->how.batch), m.image(),
                umsrep::head_specs(m), {.shuffle = false}};
    }

    /// Mean over the tasks of `mask`, on validation images. The loss will not do: with few labels it is least long before the answers are
    /// best.
    double quality(model& m, std::uint64_t mask) {
        const auto predicted = m.predict(valid_images_);
        double sum = 0;
        for (int h = 0; h < heads; ++h) {
            if ((mask >> h & 1U) == 0) continue;
            const double of_task = job_->quality(h, predicted.outputs[static_cast<std::size_t>(h)]);
            if (!std::isnan(of_task)) sum += of_task; // what diverged counts nothing
        }
        return sum / std::popcount(mask);
    }

    /// Runs the phases of one model. `task`: the only one that trains, or none when all do.
    void train(model& m, std::uint64_t mask, const std::string& task) {
        auto samples = training_loader(m, task), valid = validation_loader(m, task);
        umsrep::fit_options run;
        run.patience = job_->how.patience;
        run.monitor = [&] { return -quality(m, mask); };
        run.on_epoch = [&](const umsrep::epoch_record& r) {
            if (job_->on_epoch) job_->on_epoch(r, task);
        };
        int before = 0, number = 0;
        for (const phase& p : phases_) {
            if (p.epochs == 0) continue; // of fewer epochs than phases; the last has one
            run.epochs = p.epochs;
            run.first_epoch = static_cast<std::uint64_t>(before);
            umsrep::train_options how;
            how.random = derived_seed(umsrep::seed{job_->seed}, "dropout " + std::to_string(++number));
            how.schedule = umsrep::schedule::cosine{.warmup = static_cast<std::int64_t>(samples.batches_per_epoch() / 2), .minimum = 0.02};
            how.head_weights = job_->loss_weights;
            how.balance = policy_of(job_->what.balance);
            how.clip_norm = 5;
            const umsrep::optim::adamw optimizer{.lr = job_->how.learning_rate * p.learning_rate, .weight_decay = 0.01};
            with_strategy<stages>(p.tasks, p.stages, job_->what.cached, [&](auto strategy) {
                umsrep::trainer t(m, strategy, optimizer, umsrep::batch{job_->how.batch}, how, mask);
                const auto macs = macs_of_heads(m, strategy, mask);
                run.on_batch = [&](const umsrep::batch_report& r) { result_.spent.macs_total += macs_of(r, macs); };
                if (job_->what.cached) result_.spent.macs_total += encoder_macs(m) * static_cast<double>(job_->labelled.size());
                record(t.fit(samples, &valid, run), mask, before, &p == &phases_.back());
                result_.spent.peak_bytes = std::max(result_.spent.peak_bytes, t.allocated().total());
                if (&p == &phases_.back()) count_step(m, strategy, mask, macs);
            });
            before += p.epochs;
        }
    }

    /// Multiply-accumulates of a training step of one sample, by head where heads step alone, else of all in the first.
    template <class Strategy>
    static std::vector<std::int64_t> macs_of_heads(const model& m, Strategy, std::uint64_t mask) {
        const auto of = [&](std::uint64_t some) {
            return macs(m.network(), make_plan(m.network(), Strategy::value(stages, some), umsrep::dense_storage));
        };
        std::vector<std::int64_t> result(static_cast<std::size_t>(heads));
        if constexpr (Strategy::tasks == umsrep::scheme::joint) result.front() = of(mask);
        else
            for (int h = 0; h < heads; ++h)
                if (const std::uint64_t one = std::uint64_t{1} << h; (mask & one) != 0) result[static_cast<std::size_t>(h)] = of(one);
        return result;
    }
    static double encoder_macs(const model& m) {
        using whole = umsrep::joint<umsrep::frozen>;
        return static_cast<double>(macs_of_heads(m, whole{}, all_heads).front() -
                                   macs_of_heads(m, umsrep::cached<whole>{}, all_heads).front());
    }
    /// Of one batch. A step of one head shows by whose loss it has.
    double macs_of(const umsrep::batch_report& r, const std::vector<std::int64_t>& macs) const {
        const bool stepped = std::ranges::any_of(*r.loss, [](double v) { return !std::isnan(v); });
        double sum = 0;
        for (std::size_t h = 0; h < macs.size(); ++h)
            if (job_->what.tasks == umsrep::scheme::joint ? stepped : !std::isnan((*r.loss)[h])) sum += static_cast<double>(macs[h]);
        return sum * static_cast<double>(r.samples);
    }

    template <class Strategy>
    void count_step(const model& m, Strategy, std::uint64_t mask, const std::vector<std::int64_t>& macs) {
        for (const std::int64_t n : macs) result_.spent.macs_per_step += n;
        std::int64_t& trained = result_.spent.trained_parameters;
        trained += trained_parameters(m.network(), make_plan(m.network(), Strategy::value(stages, mask), umsrep::dense_storage));
    }

    void record(const umsrep::history& past, std::uint64_t mask, int before, bool last_phase) {
        std::size_t best = past.epochs.size();
        for (std::size_t e = 0; e < past.epochs.size(); ++e)
            if (last_phase && past.epochs[e].best) best = e;
        for (std::size_t e = 0; e < past.epochs.size(); ++e) {
            const umsrep::epoch_record& r = past.epochs[e];
            ++result_.spent.epochs;
            result_.spent.seconds += r.seconds;
            for (int h = 0; h < heads; ++h)
                if ((mask >> h & 1U) != 0)
                    result_.curve.push_back({before + r.epoch, name_of(h), r.train_loss[static_cast<std::size_t>(h)],
                                             r.valid_loss[static_cast<std::size_t>(h)], e == best});
        }
    }

    /// Of what is left to be used: one network, or an encoder and a head for each task.
    void count_parameters() {
        const umsrep::graph& g = tasks_.of(0).network();
        const auto encoders = static_cast<std::int64_t>(tasks_.size());
        for (const umsrep::node& n : g.nodes)
            for (const umsrep::slot s : {n.weight, n.bias})
                if (s) result_.spent.parameters += s.size * (n.owner < g.stage_count() ? encoders : 1);
    }

    xt::xtensor<float, 4> images(const std::vector<item>& items) {
        std::vector<umsrep::data::sample> samples;
        for (const item& i : items) samples.push_back(i.sample);
        return umsrep::data::collate(samples, tasks_.of(0).image(), {}).images;
    }

    outputs predict(const std::vector<item>& items) {
        outputs result;
        if (items.empty()) return result;
        auto predicted = tasks_.predict(images(items));
        for (auto& output : predicted.outputs) result.push_back(std::move(output));
        return result;
    }

    void measure_latency() {
        const std::array one{job_->images->test.front().sample};
        const auto image = umsrep::data::collate(one, tasks_.of(0).image(), {}).images;
        constexpr int warm_up = 3, measured = 30;
        std::vector<double> milliseconds;
        for (int i = 0; i < warm_up + measured; ++i) {
            const auto started = std::chrono::steady_clock::now();
            tasks_.predict(image);
            const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - started;
            if (i >= warm_up) milliseconds.push_back(took.count());
        }
        std::ranges::sort(milliseconds);
        result_.spent.latency_p50 = umsrep::statistics::quantile_of_sorted(milliseconds, 0.5);
        result_.spent.latency_p95 = umsrep::statistics::quantile_of_sorted(milliseconds, 0.95);
    }

    const job* job_;
    std::vector<phase> phases_;
    models tasks_;
    std::vector<std::string> names_; ///< of the tasks
    xt::xtensor<float, 4> valid_images_;
    outcome result_;
};

} // namespace experiment
