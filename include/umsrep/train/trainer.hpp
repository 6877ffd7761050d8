// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <limits>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/data/loader.hpp>
#include <umsrep/model.hpp>
#include <umsrep/train/affinity.hpp>
#include <umsrep/train/host_steps.hpp>
#include <umsrep/train/identity.hpp>
#include <umsrep/train/options.hpp>
#include <umsrep/train/progress.hpp>
#include <umsrep/train/step_place.hpp>

namespace umsrep {

/// The target that each head of a network expects of a loader, in the order of the heads.
template <class Net, class Backend>
std::vector<data::head_spec> head_specs(const model<Net, Backend>& m) {
    std::vector<data::head_spec> specs;
    [&]<std::size_t... H>(std::index_sequence<H...>) {
        (specs.push_back({std::string(m.network().heads[H].name),
                          std::tuple_element_t<H, typename network_traits<Net>::losses>::target_shape(
                              m.network()[m.network().heads[H].logits].out)}),
         ...);
    }(std::make_index_sequence<static_cast<std::size_t>(network_traits<Net>::head_count)>{});
    return specs;
}

/// What computes the steps of a trainer. A backend whose memory is not the host's specialises it, with the members of `host_steps`.
template <class Model, optim::optimizer Optimizer>
struct steps_of {
    static_assert(!detail::has_session<typename Model::backend>,
                  "umsrep: to train on a device, include <umsrep/train/cuda/training.hpp>, also where the model is trained through others");
    using type = host_steps<Model, Optimizer>;
};

/// Trains one model: owns the gradients, the optimiser's state and the arena of the training plan; nothing of these exists for what
/// the strategy freezes, and `step` allocates nothing. Steps all its heads together, or in turn when the strategy alternates;
/// for the schemes that train tasks one by one, see train/fit.hpp.
///
///     trainer t{m, joint<last<2>>{}, optim::adamw{.lr = 1e-3}, batch{16}};
template <class Model, optim::optimizer Optimizer>
class trainer {
    using Net = typename Model::network_type;
    using T = typename Model::scalar;
    using steps = typename steps_of<Model, Optimizer>::type;
    static constexpr int head_count = Model::head_count;

public:
    /// `m` must outlive the trainer and not be moved. `heads`: bit h set, head h is trained. `capacity`: the largest batch.
    template <class Strategy>
    trainer(Model& m, Strategy, Optimizer optimizer, batch capacity, train_options options = {},
            std::uint64_t heads = (std::uint64_t{1} << head_count) - 1)
        : trainer(m, checked<Strategy>(), Strategy::tasks, optimizer, capacity, std::move(options), heads) {}

    Model& trained_model() { return *model_; }
    const history& past() const { return history_; }
    /// What a cached strategy keeps of its samples; null for others.
    const auto* features() const { return std::as_const(steps_).features(); }
    bool trains_head(int h) const { return steps_.trains(static_cast<std::size_t>(h)); }

    /// The loss of a head, to set its options: `t.loss<"finding">().class_weights = {...}`.
    template <fixed_string Name>
    auto& loss() {
        return steps_.losses().template get<static_cast<std::size_t>(detail::index_of_head<Net, Name>())>();
    }

    /// One update on one batch. Returns the mean loss of each head, NaN for heads that this step did not train or that have no
    /// labelled sample in the batch; such a head's parameters do not move. On a device it waits until the step is done; `fit` does not.
    const std::vector<double>& step(const data::batch& b) {
        drop();
        begin(b);
        return end();
    }

    /// Whether the last step was left out, and the scale of the losses since: in fp16, see kernel::prepare_step.
    loss_scaling scaling() const { return steps_.scaling(); }

    /// Measures how tasks bear on each other on one batch, into `a`: the gradients of what they share, and where `rate` > 0 what a plain
    /// step of that rate along each one's gradient does to the losses of all. Moves nothing, but `gradients()` are then those of the last
    /// task. Costs a step for each task, and with a rate as many forward passes again. The first call allocates.
    void measure(const data::batch& b, task_affinity& a, double rate = 0) { steps_.measure(b, step_number(), a, rate); }
    /// An affinity of this network's heads and stages, with nothing in it yet.
    task_affinity no_affinity() const {
        std::vector<std::string> stages;
        for (const stage_info& s : model_->network().stages) stages.emplace_back(s.name);
        return {history_.heads, std::move(stages)};
    }
    /// The inner products of the tasks' gradients in the last step of a policy that needs them, or in the last `measure`; null before.
    const balance::inner_products* inner_products() const { return steps_.inner_products(); }

    /// The gradients that the last step followed, by the names of the parameters; clipped if they were. Stages and heads that the step did
    /// not train keep those of an earlier step.
    std::vector<named_tensor<const T>> gradients() const {
        std::vector<named_tensor<const T>> result;
        const std::span<const T> all = steps_.gradients();
        for (const auto& t : std::as_const(*model_).tensors()) {
            const std::ptrdiff_t offset = t.values.data() - std::as_const(*model_).parameters().data();
            if (t.statistic || offset < steps_.first_parameter()) continue;
            result.push_back(t);
            result.back().values = all.subspan(static_cast<std::size_t>(offset - steps_.first_parameter()), t.values.size());
        }
        return result;
    }

    /// Mean loss of every trained head over a dataset, with running statistics. NaN: no labelled sample; infinity: one whose loss is no
    /// number.
    std::vector<double> validation_losses(data::loader& samples) {
        std::vector<double> sum(head_count, 0), count(head_count, 0);
        samples.start(0);
        while (const auto b = samples.next())
            steps_.validate(*b, [&](int h, double loss) {
                const std::size_t i = static_cast<std::size_t>(h);
                const double labels = static_cast<double>(labelled(*b, i));
                if (labels == 0) return;
                sum[i] += std::isnan(loss) ? std::numeric_limits<double>::infinity() : loss * labels;
                count[i] += labels;
            });
        for (std::size_t h = 0; h < sum.size(); ++h) sum[h] = count[h] > 0 ? sum[h] / count[h] : nan();
        return sum;
    }

    /// Trains for `o.epochs` epochs in all, from wherever the trainer is: a restored one goes on in the middle of its epoch. Batches
    /// without a label for a head that is trained are passed over; a trained head without any in a whole epoch throws label_error, unless
    /// allowed.
    const history& fit(data::loader& samples, data::loader* valid, const fit_options& o) {
        const std::size_t batches = samples.batches_per_epoch();
        if (steps_.features() != nullptr) steps_.features()->forget(); // whatever was restored since
        if (auto* cosine = std::get_if<schedule::cosine>(&options_.schedule); cosine != nullptr && cosine->total == 0)
            cosine->total = static_cast<std::int64_t>(batches) * o.epochs;
        while (now_.epoch < o.epochs && !now_.stopped) {
            const auto started = std::chrono::steady_clock::now();
            const bool whole = now_.batch == 0; // not resumed within the epoch
            std::vector<std::size_t> seen(head_count, 0);
            begun_.clear();
            drop(); // of a run that ended in an exception
            samples.start(o.first_epoch + static_cast<std::uint64_t>(now_.epoch), static_cast<std::size_t>(now_.batch),
                          steps::computes_changes ? data::delivery::recorded : data::delivery::computed);
            try {
                while (const auto b = samples.next()) {
                    const bool steps_on = has_label(*b);
                    if (steps_on) steps_.stage(*b, place());
                    if (o.on_batch) end_steps(1, batches, o); // who is told of a step finds the trainer right behind it
                    if (steps_on) begin(*b);
                    begun_.push_back(describe(*b, steps_on));
                    for (std::size_t h = 0; h < seen.size(); ++h) seen[h] += begun_.back().labels[h];
                    const auto last = static_cast<std::size_t>(now_.batch) + begun_.size();
                    const bool due = o.checkpoint_every != 0 && last % o.checkpoint_every == 0 && last < batches && o.on_checkpoint;
                    end_steps(due ? 1 : steps::ahead, batches, o);
                    if (due) o.on_checkpoint();
                }
            } catch (...) { // of the loader, say, while a step is computed: that one is done, and counts
                end_after_failure(batches, o);
                throw;
            }
            end_steps(1, batches, o);
            for (std::size_t h = 0; h < seen.size(); ++h)
                if (whole && !o.allow_unlabelled_heads && trains_head(static_cast<int>(h)) && seen[h] == 0)
                    throw label_error("training data for head '" + history_.heads[h] + "'", "labels", "none in a whole epoch");
            end_epoch(valid, o, std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count());
            if (o.on_epoch) o.on_epoch(history_.epochs.back());
            if (o.on_checkpoint) o.on_checkpoint();
        }
        if (o.keep_best) take_best();
        return history_;
    }

    /// Puts the parameters and statistics of the best epoch, if one was kept, into the model.
    void take_best() {
        if (best_parameters_.empty()) return;
        std::copy(best_parameters_.begin(), best_parameters_.end(), model_->parameters().begin());
        std::copy(best_statistics_.begin(), best_statistics_.end(), model_->statistics().begin());
    }

    /// What is allocated for training this model, in the terms of `training_memory<Net, Strategy, Backend>`. The scratch of losses (see
    /// their `scratch_size`), a weight average and the best model kept come on top. A balancing policy that needs the gradients of each
    /// task adds those of the encoder, once for each head, to `gradients`.
    memory allocated() const { return steps_.allocated(); }

    /// What must agree between a checkpoint and the trainer that restores it.
    training_identity identity() const { return identity_of(model_->network(), tasks_, what_, heads_, optimizer_, options_); }

    /// Shows everything that a bit-exact continuation needs to `a`: `a.number(name, int64)`, `a.values(name, span)` for what has a fixed
    /// size, `a.list(name, vector, row, rows)` for what has up to `rows` rows of that many values. The same function serves to save, to
    /// check and to restore.
    template <class Archive>
    void archive(Archive& a) {
        steps_.archive(a);
        now_.archive(a);
        a.list("best.parameters", best_parameters_, std::as_const(*model_).parameters().size(), 1);
        a.list("best.statistics", best_statistics_, std::as_const(*model_).statistics().size(), 1);
        if (auto* p = std::get_if<schedule::plateau>(&options_.schedule)) {
            a.values("plateau.best", std::span<double>(&p->state.best, 1));
            a.values("plateau.factor", std::span<double>(&p->state.factor, 1));
            a.number("plateau.wait", p->state.wait);
            a.number("plateau.cooldown", p->state.cooldown);
        }
        archive_epochs(a, history_, static_cast<std::size_t>(head_count));
    }

private:
    /// A batch whose losses are not known yet.
    struct begun {
        bool steps = false;
        std::size_t samples = 0;
        std::array<std::size_t, static_cast<std::size_t>(head_count)> labels{};
    };

    template <class Strategy>
    static mode checked() {
        static_assert(detail::mode_fits<Net, train<Strategy>>());
        return Strategy::value(network_traits<Net>::stage_count);
    }

    trainer(Model& m, const mode& what, scheme tasks, Optimizer optimizer, batch capacity, train_options options, std::uint64_t heads)
        : model_{&m},
          optimizer_{checked(optimizer)},
          options_{checked(std::move(options))},
          what_{what},
          tasks_{tasks},
          heads_{checked(m, what, tasks, heads)},
          steps_{m, what, tasks, heads_, optimizer, capacity, options_} {
        no_loss_.assign(head_count, nan());
        now_.loss_sum.assign(head_count, 0);
        now_.loss_count.assign(head_count, 0);
        for (const head_info& h : m.network().heads) history_.heads.emplace_back(h.name);
    }

    static const Optimizer& checked(const Optimizer& optimizer) {
        optim::check(optimizer);
        return optimizer;
    }
    static train_options checked(train_options options) {
        if (options.head_weights.empty()) options.head_weights.assign(head_count, 1.0);
        if (options.head_weights.size() != static_cast<std::size_t>(head_count))
            throw option_error("head weights", std::to_string(head_count) + " numbers", std::to_string(options.head_weights.size()));
        return options;
    }
    /// The heads to train, in a model that is ready for the strategy.
    static std::uint64_t checked(Model& m, const mode& what, scheme tasks, std::uint64_t heads) {
        heads &= (std::uint64_t{1} << head_count) - 1;
        if (heads == 0) throw option_error("heads to train", "at least one", "none");
        if (what.norms == norm_statistics::per_task) m.part_statistics();
        if (m.has_task_statistics() && std::popcount(heads) > 1 && (tasks != scheme::alternating || what.computes != portion::whole))
            throw option_error("a model with norm statistics per task", "an alternating or independent strategy, not cached",
                               (what.computes != portion::whole ? "cached " : "") + std::string(to_string(tasks)));
        return heads;
    }

    static constexpr double nan() { return std::numeric_limits<double>::quiet_NaN(); }

    std::uint64_t step_number() const { return static_cast<std::uint64_t>(now_.steps); }

    bool has_label(const data::batch& b) const {
        steps_.losses().check(b, steps::computes_changes);
        for (std::size_t h = 0; h < static_cast<std::size_t>(head_count); ++h)
            if (steps_.takes_part(h, b)) return true;
        return false;
    }
    static begun describe(const data::batch& b, bool steps_on) {
        begun result{steps_on, b.size(), {}};
        for (std::size_t h = 0; h < result.labels.size(); ++h) result.labels[h] = labelled(b, h);
        return result;
    }

    step_place place() const { return {step_number(), rate_factor(), now_.average_updates}; }
    void begin(const data::batch& b) {
        steps_.begin(b, place());
        count(1);
        ++in_flight_;
    }
    /// Ends the oldest step that has begun. Where it failed, neither it nor those behind it moved anything, so none of them counts.
    const std::vector<double>& end() {
        try {
            const std::vector<double>& loss = steps_.end();
            --in_flight_;
            return loss;
        } catch (...) {
            count(-in_flight_);
            in_flight_ = 0;
            throw;
        }
    }
    void drop() {
        steps_.drop();
        in_flight_ = 0;
    }
    void count(std::int64_t steps_more) {
        now_.steps += steps_more;
        if (options_.average) now_.average_updates += steps_more;
    }
    /// Ends steps that have begun, the oldest first, until fewer than `most` are left, and tells of them.
    void end_steps(std::size_t most, std::size_t batches, const fit_options& o) {
        for (; begun_.size() >= most && !begun_.empty(); begun_.pop_front()) {
            const begun& b = begun_.front();
            const std::vector<double>& loss = b.steps ? end() : no_loss_;
            for (std::size_t h = 0; h < loss.size(); ++h)
                if (!std::isnan(loss[h])) {
                    const double count = static_cast<double>(b.labels[h]);
                    now_.loss_sum[h] += count * loss[h];
                    now_.loss_count[h] += count;
                }
            const loss_scaling scaled{b.steps && steps_.scaling().skipped, steps_.scaling().loss_scale};
            now_.skipped += scaled.skipped ? 1 : 0;
            ++now_.batch;
            if (o.on_batch)
                o.on_batch({static_cast<int>(now_.epoch) + 1, o.epochs, static_cast<std::size_t>(now_.batch), batches, b.samples, &loss,
                            scaled});
        }
    }

    /// Ends the steps that are computed while an exception is handled. Where that fails too, the exception goes on, with this failure behind its
    /// words; one that is none of the library's goes on as it is.
    void end_after_failure(std::size_t batches, const fit_options& o) {
        if (in_flight_ == 0) return;
        std::string also = "; and when the step before was ended: ";
        try {
            end_steps(1, batches, o);
            return;
        } catch (const std::exception& second) {
            also += second.what();
        } catch (...) {
            also += "an exception that is none of the standard's";
        }
        rethrow_with(also);
    }

    double rate_factor() const {
        return std::visit([&]<class S>(const S& s) {
            return s.factor(std::is_same_v<S, schedule::cosine> ? now_.steps : now_.epoch);
        }, options_.schedule);
    }

    void end_epoch(data::loader* valid, const fit_options& o, double seconds) {
        epoch_record r;
        r.epoch = static_cast<int>(now_.epoch) + 1;
        r.learning_rate = optimizer_.lr * rate_factor();
        for (std::size_t h = 0; h < no_loss_.size(); ++h) {
            r.train_loss.push_back(now_.loss_count[h] > 0 ? now_.loss_sum[h] / now_.loss_count[h] : nan());
            now_.loss_sum[h] = now_.loss_count[h] = 0;
        }
        r.skipped_steps = std::exchange(now_.skipped, 0);
        r.loss_scale = steps_.scaling().loss_scale;
        judge(valid, o, r);
        if (auto* p = std::get_if<schedule::plateau>(&options_.schedule)) p->observe(r.monitor);
        r.seconds = seconds;
        steps_.end_epoch(r.train_loss);
        history_.epochs.push_back(std::move(r));
        ++now_.epoch;
        now_.batch = 0;
    }

    /// Exchanges the weights with their average, if there is one, and back when it ends, whatever happens between.
    struct averaged {
        trainer& t;
        int exceptions = std::uncaught_exceptions();
        explicit averaged(trainer& owner) : t{owner} { t.steps_.swap_average(); }
        ~averaged() noexcept(false) {
            try {
                t.steps_.swap_average();
            } catch (const device_error&) { // of a device that failed before, too: one such exception is on its way already
                if (std::uncaught_exceptions() == exceptions) throw;
            }
        }
        averaged(const averaged&) = delete;
        averaged& operator=(const averaged&) = delete;
    };

    /// Validates, compares with the best epoch so far and keeps the model if it is better.
    void judge(data::loader* valid, const fit_options& o, epoch_record& r) {
        const averaged weights(*this);
        r.valid_loss = valid != nullptr ? validation_losses(*valid) : std::vector<double>(head_count, nan());
        r.monitor = o.monitor ? o.monitor() : weighted_sum(valid != nullptr ? r.valid_loss : r.train_loss);
        if (!o.monitor && std::isnan(r.monitor))
            throw label_error("validation data", "a label for a head that is trained (" + trained_heads() + "), or a monitor of one's own", "none");
        r.best = r.monitor < now_.best;
        if (r.best) {
            now_.best = r.monitor;
            now_.wait = 0;
            const Model& now = *model_;
            best_parameters_.assign(now.parameters().begin(), now.parameters().end());
            best_statistics_.assign(now.statistics().begin(), now.statistics().end());
        } else if (o.patience > 0 && ++now_.wait >= o.patience) {
            now_.stopped = 1;
        }
    }

    std::string trained_heads() const {
        std::string names;
        for (std::size_t h = 0; h < static_cast<std::size_t>(head_count); ++h)
            if ((heads_ >> h & 1U) != 0) (names += names.empty() ? "" : ", ") += model_->network().heads[h].name;
        return names;
    }

    /// NaN when no head has a loss: nothing to compare epochs by.
    double weighted_sum(const std::vector<double>& losses_of_heads) const {
        double sum = 0;
        bool any = false;
        for (std::size_t h = 0; h < losses_of_heads.size(); ++h)
            if (!std::isnan(losses_of_heads[h])) {
                sum += options_.head_weights[h] * losses_of_heads[h];
                any = true;
            }
        return any ? sum : nan();
    }

    Model* model_;
    Optimizer optimizer_;
    train_options options_;
    mode what_;
    scheme tasks_;
    std::uint64_t heads_;
    steps steps_;
    std::vector<double> no_loss_; ///< of a batch that is passed over
    std::deque<begun> begun_;     ///< what `fit` has begun and not ended
    std::int64_t in_flight_ = 0;  ///< steps that have begun and not ended
    training_progress now_;
    std::vector<T> best_parameters_, best_statistics_;
    history history_;
};

} // namespace umsrep
