// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <umsrep/data/loader.hpp>
#include <umsrep/model.hpp>
#include <umsrep/optim/l2_sp.hpp>
#include <umsrep/train/affinity.hpp>
#include <umsrep/train/balance/balancer.hpp>
#include <umsrep/train/identity.hpp>
#include <umsrep/train/options.hpp>
#include <umsrep/train/progress.hpp>
#include <umsrep/train/task_runs.hpp>
#include <umsrep/train/trained_parts.hpp>

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

/// Trains one model: owns the gradients, the optimiser's state and the arena of the training plan; nothing of these exists for what
/// the strategy freezes, and `step` allocates nothing. Steps all its heads together, or in turn when the strategy alternates;
/// for the schemes that train tasks one by one, see train/fit.hpp.
///
///     trainer t{m, joint<last<2>>{}, optim::adamw{.lr = 1e-3}, batch{16}};
template <class Model, optim::optimizer Optimizer>
class trainer {
    using Net = typename Model::network_type;
    using T = typename Model::scalar;
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
    const feature_cache<typename Model::backend>* features() const { return runs_.features(); }
    bool trains_head(int h) const { return runs_.trains(static_cast<std::size_t>(h)); }

    /// The loss of a head, to set its options: `t.loss<"finding">().class_weights = {...}`.
    template <fixed_string Name>
    auto& loss() {
        return runs_.losses().template get<static_cast<std::size_t>(detail::index_of_head<Net, Name>())>();
    }

    /// One update on one batch. Returns the mean loss of each head, NaN for heads that this step did not train or that have no
    /// labelled sample in the batch; such a head's parameters do not move.
    const std::vector<double>& step(const data::batch& b) {
        runs_.losses().check(b);
        std::fill(loss_.begin(), loss_.end(), nan());
        balance::balancer* const balancer = balancer_.active() ? &balancer_ : nullptr;
        if (balancer != nullptr) balancer->begin([&](std::size_t h) { return runs_.takes_part(h, b); });
        if (balancer_.combines()) {
            const std::vector<char>& reaches = runs_.run_apart(b, step_number(), loss_, balancer);
            task_gradients<T>& gradients = *runs_.shared_gradients();
            const auto coefficients = balancer_.combine(gradients.multiply(balancer_.present(), model_->pool()));
            gradients.combine(coefficients, parts_.gradients().first(gradients.size()), model_->pool());
            update(reaches, b);
        } else {
            update(runs_.run_next(b, step_number(), loss_, balancer), b);
        }
        if (balancer_.active()) balancer_.learn();
        if (balancer_.observes()) {
            runs_.forward(b, step_number(), observed_);
            balancer_.observe(observed_);
        }
        ++now_.steps;
        return loss_;
    }

    /// Measures how tasks bear on each other on one batch, into `a`: the gradients of what they share, and where `rate` > 0 what a plain
    /// step of that rate along each one's gradient does to the losses of all. Moves nothing, but `gradients()` are then those of the last
    /// task. Costs a step for each task, and with a rate as many forward passes again. The first call allocates.
    void measure(const data::batch& b, task_affinity& a, double rate = 0) {
        runs_.losses().check(b);
        runs_.make_apart();
        task_gradients<T>& gradients = *runs_.shared_gradients();
        std::vector<double> before(head_count, nan()), after(head_count, nan());
        runs_.run_apart(b, step_number(), before, nullptr);
        runs_.put_back_statistics();
        std::vector<char> present(head_count);
        for (std::size_t h = 0; h < present.size(); ++h) present[h] = runs_.takes_part(h, b) ? 1 : 0;
        a.add(gradients.multiply(present, model_->pool()));
        if (!(rate > 0)) return;
        const std::span<T> shared = trained_parameters().first(gradients.size());
        const std::vector<T> start(shared.begin(), shared.end());
        for (std::size_t i = 0; i < present.size(); ++i) {
            if (present[i] == 0) continue;
            const std::span<const T> gradient = gradients.of(i);
            for (std::size_t k = 0; k < shared.size(); ++k) shared[k] = start[k] - static_cast<T>(rate) * gradient[k];
            runs_.forward(b, step_number(), after);
            for (std::size_t j = 0; j < present.size(); ++j)
                if (present[j] != 0) a.add_gain(i, j, 1 - after[j] / before[j]);
        }
        std::copy(start.begin(), start.end(), shared.begin());
    }
    /// An affinity of this network's heads and stages, with nothing in it yet.
    task_affinity no_affinity() const {
        std::vector<std::string> stages;
        for (const stage_info& s : model_->network().stages) stages.emplace_back(s.name);
        return {history_.heads, std::move(stages)};
    }
    /// The inner products of the tasks' gradients in the last step of a policy that needs them, or in the last `measure`; null before.
    const balance::inner_products* inner_products() const {
        return runs_.shared_gradients() != nullptr ? &runs_.shared_gradients()->products() : nullptr;
    }

    /// The gradients that the last step followed, by the names of the parameters; clipped if they were. Stages and heads that the step did
    /// not train keep those of an earlier step.
    std::vector<named_tensor<const T>> gradients() const {
        std::vector<named_tensor<const T>> result;
        for (const auto& t : std::as_const(*model_).tensors()) {
            const std::ptrdiff_t offset = t.values.data() - std::as_const(*model_).parameters().data();
            if (t.statistic || offset < parts_.first_parameter()) continue;
            result.push_back(t);
            result.back().values = parts_.gradients().subspan(static_cast<std::size_t>(offset - parts_.first_parameter()), t.values.size());
        }
        return result;
    }

    /// Mean loss of every trained head over a dataset, with running statistics. NaN: no labelled sample; infinity: one whose loss is no
    /// number.
    std::vector<double> validation_losses(data::loader& samples) {
        std::vector<double> sum(head_count, 0), count(head_count, 0);
        samples.start(0);
        while (const auto b = samples.next()) {
            runs_.losses().check(*b);
            runs_.run_validation(*b, [&](int h, tensor_view<T> logits) {
                const std::size_t i = static_cast<std::size_t>(h);
                const double loss = runs_.losses().evaluate(h, *b, logits, {}, 1), labels = static_cast<double>(labelled(*b, i));
                if (labels == 0) return;
                sum[i] += std::isnan(loss) ? std::numeric_limits<double>::infinity() : loss * labels;
                count[i] += labels;
            });
        }
        for (std::size_t h = 0; h < sum.size(); ++h) sum[h] = count[h] > 0 ? sum[h] / count[h] : nan();
        return sum;
    }

    /// Trains for `o.epochs` epochs in all, from wherever the trainer is: a restored one goes on in the middle of its epoch. Batches
    /// without a label for a head that is trained are passed over; a trained head without any in a whole epoch throws label_error, unless
    /// allowed.
    const history& fit(data::loader& samples, data::loader* valid, const fit_options& o) {
        const std::size_t batches = samples.batches_per_epoch();
        if (runs_.features() != nullptr) runs_.features()->forget(); // whatever was restored since
        if (auto* cosine = std::get_if<schedule::cosine>(&options_.schedule); cosine != nullptr && cosine->total == 0)
            cosine->total = static_cast<std::int64_t>(batches) * o.epochs;
        while (now_.epoch < o.epochs && !now_.stopped) {
            const auto started = std::chrono::steady_clock::now();
            const bool whole = now_.batch == 0; // not resumed within the epoch
            std::vector<std::size_t> seen(head_count, 0);
            samples.start(o.first_epoch + static_cast<std::uint64_t>(now_.epoch), static_cast<std::size_t>(now_.batch));
            while (const auto b = samples.next()) {
                const std::vector<double>& loss = has_label(*b) ? step(*b) : pass();
                for (std::size_t h = 0; h < loss.size(); ++h)
                    if (!std::isnan(loss[h])) {
                        const double count = static_cast<double>(labelled(*b, h));
                        now_.loss_sum[h] += count * loss[h];
                        now_.loss_count[h] += count;
                    }
                for (std::size_t h = 0; h < seen.size(); ++h) seen[h] += labelled(*b, h);
                ++now_.batch;
                if (o.on_batch)
                    o.on_batch(
                        {static_cast<int>(now_.epoch) + 1, o.epochs, static_cast<std::size_t>(now_.batch), batches, b->size(), &loss});
                const bool due = o.checkpoint_every != 0 && static_cast<std::size_t>(now_.batch) % o.checkpoint_every == 0;
                if (due && static_cast<std::size_t>(now_.batch) < batches && o.on_checkpoint) o.on_checkpoint();
            }
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
    memory allocated() const {
        const auto bytes = [](const auto& a) { return static_cast<std::int64_t>(a.size() * sizeof(T)); };
        memory m;
        m.parameters = static_cast<std::int64_t>((model_->parameters().size() + model_->statistics().size()) * sizeof(T));
        m.gradients = parts_.gradient_bytes();
        if (const auto* apart = runs_.shared_gradients()) m.gradients += static_cast<std::int64_t>(apart->bytes());
        m.moments = parts_.moment_bytes();
        m.arena = bytes(runs_.memory().arena);
        m.workspace = bytes(runs_.memory().workspace);
        m.saved_statistics = bytes(runs_.memory().saved);
        m.border = bytes(runs_.memory().border);
        return m;
    }

    /// What must agree between a checkpoint and the trainer that restores it.
    training_identity identity() const { return identity_of(model_->network(), tasks_, what_, heads_, optimizer_, options_); }

    /// Shows everything that a bit-exact continuation needs to `a`: `a.number(name, int64)`, `a.values(name, span)` for what has a fixed
    /// size, `a.list(name, vector, row, rows)` for what has up to `rows` rows of that many values. The same function serves to save, to
    /// check and to restore.
    template <class Archive>
    void archive(Archive& a) {
        a.values("parameters", model_->parameters());
        a.values("statistics", model_->statistics());
        for (std::size_t i = 0; i < Optimizer::moments; ++i) a.values("moment." + std::to_string(i), parts_.moments(i));
        if (options_.average) a.values("average", average_.span());
        if (options_.l2_sp) a.values("l2_sp.start", start_.span());
        a.values("updates", parts_.updates());
        now_.archive(a);
        balancer_.archive(a);
        a.list("best.parameters", best_parameters_, model_->parameters().size(), 1);
        a.list("best.statistics", best_statistics_, model_->statistics().size(), 1);
        if (auto* p = std::get_if<schedule::plateau>(&options_.schedule)) {
            a.values("plateau.best", std::span<double>(&p->state.best, 1));
            a.values("plateau.factor", std::span<double>(&p->state.factor, 1));
            a.number("plateau.wait", p->state.wait);
            a.number("plateau.cooldown", p->state.cooldown);
        }
        archive_epochs(a, history_, static_cast<std::size_t>(head_count));
    }

private:
    using backend = typename Model::backend;

    template <class Strategy>
    static mode checked() {
        static_assert(detail::mode_fits<Net, train<Strategy>>());
        return Strategy::value(network_traits<Net>::stage_count);
    }

    trainer(Model& m, const mode& what, scheme tasks, Optimizer optimizer, batch capacity, train_options options, std::uint64_t heads)
        : model_{&m},
          optimizer_{optimizer},
          options_{checked(std::move(options))},
          what_{what},
          tasks_{tasks},
          heads_{checked(m, what, tasks, heads)},
          parts_{m.network(), what.first_trained_stage, options_.layer_decay, options_.decay_norms_and_biases},
          balancer_{options_.balance, options_.loss_average, head_names(m.network())},
          runs_{m, what, tasks, heads_, capacity, options_, parts_.gradients(), parts_.first_parameter()} {
        if (balancer_.active() && tasks != scheme::joint)
            throw option_error("balance " + options_.balance.text(), "a joint strategy", std::string(to_string(tasks)));
        if (balancer_.combines()) runs_.make_apart();
        else runs_.make_turns();
        if (options_.average) average_ = aligned_array<T>(parts_.gradients().size());
        if (options_.l2_sp) keep_start();

        loss_.assign(head_count, nan());
        observed_.assign(head_count, nan());
        now_.loss_sum.assign(head_count, 0);
        now_.loss_count.assign(head_count, 0);
        history_.heads = head_names(m.network());
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

    static std::vector<std::string> head_names(const graph& g) {
        std::vector<std::string> names;
        for (const head_info& h : g.heads) names.emplace_back(h.name);
        return names;
    }

    static constexpr double nan() { return std::numeric_limits<double>::quiet_NaN(); }

    std::uint64_t step_number() const { return static_cast<std::uint64_t>(now_.steps); }

    bool has_label(const data::batch& b) const {
        runs_.losses().check(b);
        for (std::size_t h = 0; h < static_cast<std::size_t>(head_count); ++h)
            if (runs_.takes_part(h, b)) return true;
        return false;
    }

    /// What `step` returns, without one.
    const std::vector<double>& pass() {
        std::fill(loss_.begin(), loss_.end(), nan());
        return loss_;
    }

    double rate_factor() const {
        return std::visit([&]<class S>(const S& s) {
            return s.factor(std::is_same_v<S, schedule::cosine> ? now_.steps : now_.epoch);
        }, options_.schedule);
    }

    /// Follows the gradients of the parts that a step reaches; heads without a label in the batch stay.
    void update(const std::vector<char>& reaches, const data::batch& b) {
        const flush_denormals mode{flushes_denormals<backend>()};
        const std::size_t stages = static_cast<std::size_t>(model_->network().stage_count());
        const auto moves = [&](std::size_t p) { return reaches[p] != 0 && (p < stages || labelled(b, p - stages) > 0); };
        if (balancer_.active())
            if (const double common = balancer_.common(); common != 1) parts_.scale(common, moves, model_->pool());
        if (options_.l2_sp) pull_to_start(moves);
        const double limit = options_.clip_norm > 0 ? options_.clip_norm : std::numeric_limits<double>::infinity();
        if (!std::isfinite(parts_.clip(limit, moves, model_->pool())))
            throw error("training step " + std::to_string(now_.steps + 1) + ", batch of '" + b.ids.front() + "'", "a finite gradient",
                        "one that is not; lower the learning rate or clip the gradient");
        parts_.update(optimizer_, model_->parameters(), rate_factor(), moves, model_->pool());
        if (options_.average) options_.average->update(average_.span(), std::span<const T>(trained_parameters()), now_.average_updates++,
                                                    &model_->pool());
    }

    /// `body(slot)` for the parameters of every stage that trains.
    template <class Body>
    void for_each_trained_in_encoder(Body body) {
        const graph& g = model_->network();
        for (const node& n : g.nodes)
            for (const slot s : {n.weight, n.bias})
                if (s && n.owner < g.stage_count() && n.owner >= what_.first_trained_stage) body(n.owner, s);
    }
    template <class Values>
    static auto at(Values values, const slot& s) {
        return values.subspan(static_cast<std::size_t>(s.offset), static_cast<std::size_t>(s.size));
    }

    void keep_start() {
        const std::vector<double>& given = options_.l2_sp->start;
        if (!(options_.l2_sp->strength >= 0) || !std::isfinite(options_.l2_sp->strength))
            throw option_error("L2-SP: strength", "0 or more", std::to_string(options_.l2_sp->strength));
        if (!given.empty() && given.size() != model_->parameters().size())
            throw option_error("L2-SP: start", std::to_string(model_->parameters().size()) + " parameters", std::to_string(given.size()));
        start_ = aligned_array<T>(model_->parameters().size());
        if (given.empty()) std::copy(model_->parameters().begin(), model_->parameters().end(), start_.span().begin());
        else std::transform(given.begin(), given.end(), start_.span().begin(), [](double v) { return static_cast<T>(v); });
    }
    template <class Moves>
    void pull_to_start(Moves moves) {
        for_each_trained_in_encoder([&](int stage, const slot& s) {
            if (moves(static_cast<std::size_t>(stage)))
                optim::add_l2_sp(parts_.gradient(s), at(std::span<const T>(model_->parameters()), s),
                                 at(std::span<const T>(start_.span()), s), options_.l2_sp->strength, &model_->pool());
        });
    }

    std::span<T> trained_parameters() { return model_->parameters().subspan(static_cast<std::size_t>(parts_.first_parameter())); }

    void end_epoch(data::loader* valid, const fit_options& o, double seconds) {
        epoch_record r;
        r.epoch = static_cast<int>(now_.epoch) + 1;
        r.learning_rate = optimizer_.lr * rate_factor();
        for (std::size_t h = 0; h < loss_.size(); ++h) {
            r.train_loss.push_back(now_.loss_count[h] > 0 ? now_.loss_sum[h] / now_.loss_count[h] : nan());
            now_.loss_sum[h] = now_.loss_count[h] = 0;
        }
        judge(valid, o, r);
        if (auto* p = std::get_if<schedule::plateau>(&options_.schedule)) p->observe(r.monitor);
        r.seconds = seconds;
        if (balancer_.active()) balancer_.end_epoch(r.train_loss);
        history_.epochs.push_back(std::move(r));
        ++now_.epoch;
        now_.batch = 0;
    }

    /// Exchanges the weights with their average, if there is one, and back when it ends, whatever happens between.
    struct averaged {
        trainer& t;
        explicit averaged(trainer& owner) : t{owner} { swap(); }
        ~averaged() { swap(); }
        averaged(const averaged&) = delete;
        averaged& operator=(const averaged&) = delete;
        void swap() {
            if (t.options_.average) std::swap_ranges(t.average_.span().begin(), t.average_.span().end(), t.trained_parameters().begin());
        }
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
            best_parameters_.assign(model_->parameters().begin(), model_->parameters().end());
            best_statistics_.assign(model_->statistics().begin(), model_->statistics().end());
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
    trained_parts<T, Optimizer> parts_;
    balance::balancer balancer_;
    task_runs<Model> runs_;
    aligned_array<T> average_;
    aligned_array<T> start_; ///< of L2-SP: every parameter as it was
    std::vector<double> loss_, observed_;
    training_progress now_;
    std::vector<T> best_parameters_, best_statistics_;
    history history_;
};

} // namespace umsrep
