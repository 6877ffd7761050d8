// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
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
#include <umsrep/loss/loss_function.hpp>
#include <umsrep/model.hpp>
#include <umsrep/optim/l2_sp.hpp>
#include <umsrep/train/identity.hpp>
#include <umsrep/train/options.hpp>
#include <umsrep/train/progress.hpp>
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
    using losses = typename network_traits<Net>::losses;
    static constexpr int head_count = Model::head_count;

public:
    /// `m` must outlive the trainer and not be moved. `heads`: bit h set, head h is trained. `capacity`: the largest batch.
    template <class Strategy>
    trainer(Model& m, Strategy, Optimizer optimizer, batch capacity, train_options options = {},
            std::uint64_t heads = (std::uint64_t{1} << head_count) - 1)
        : trainer(m, checked<Strategy>(), Strategy::tasks, optimizer, capacity, std::move(options), heads) {}

    Model& trained_model() { return *model_; }
    const history& past() const { return history_; }
    bool trains_head(int h) const { return ((heads_ >> h) & 1U) != 0; }

    /// The loss of a head, to set its options: `t.loss<"finding">().class_weights = {...}`.
    template <fixed_string Name>
    auto& loss() {
        return std::get<static_cast<std::size_t>(detail::index_of_head<Net, Name>())>(losses_);
    }

    /// One update on one batch. Returns the mean loss of each head, NaN for heads that this step did not train or that have no
    /// labelled sample in the batch; such a head's parameters do not move.
    const std::vector<double>& step(const data::batch& b) {
        model_->check_images(b.images);
        check_batch(b);
        std::fill(loss_.begin(), loss_.end(), nan());
        const turn& now = turns_[next_turn(b)];
        executor<backend>& e = *now.run;
        const int n = static_cast<int>(b.size());
        e.set_input(n, b.images.data());
        e.run(n, {model_->parameters().data(), model_->statistics().data(), parts_.gradients().data(), parts_.first_parameter()}, options_.random,
              static_cast<std::uint64_t>(now_.steps), [&](int h, tensor_view<T> logits, tensor_view<T> gradient) {
                  if (const std::size_t labelled = evaluate(h, b, logits, gradient); labelled == 0) loss_[static_cast<std::size_t>(h)] = nan();
              });
        update(now, b);
        ++now_.steps;
        return loss_;
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

    /// Mean loss of every trained head over a dataset, with running statistics. NaN: no labelled sample; infinity: one whose loss is no number.
    std::vector<double> validation_losses(data::loader& samples) {
        std::vector<double> sum(head_count, 0), count(head_count, 0);
        samples.start(0);
        while (const auto b = samples.next()) {
            model_->check_images(b->images);
            check_batch(*b);
            const int n = static_cast<int>(b->size());
            model_->run(*validation_, b->images.data(), n, [&](int h, tensor_view<T> logits) {
                const std::size_t i = static_cast<std::size_t>(h);
                const double labelled = static_cast<double>(evaluate(h, *b, logits, {}));
                if (labelled == 0) return;
                sum[i] += std::isnan(loss_[i]) ? std::numeric_limits<double>::infinity() : loss_[i] * labelled;
                count[i] += labelled;
            });
        }
        for (std::size_t h = 0; h < sum.size(); ++h) sum[h] = count[h] > 0 ? sum[h] / count[h] : nan();
        return sum;
    }

    /// Trains for `o.epochs` epochs in all, from wherever the trainer is: a restored one goes on in the middle of its epoch. Batches without a
    /// label for a head that is trained are passed over; a trained head without any in a whole epoch throws label_error, unless allowed.
    const history& fit(data::loader& samples, data::loader* valid, const fit_options& o) {
        const std::size_t batches = samples.batches_per_epoch();
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
                if (o.on_batch) o.on_batch({static_cast<int>(now_.epoch) + 1, o.epochs, static_cast<std::size_t>(now_.batch), batches, b->size(), &loss});
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

    /// What is allocated for training this model, in the terms of `training_memory<Net, Strategy, Backend>`. The scratch of losses (see their
    /// `scratch_size`), a weight average and the best model kept come on top.
    memory allocated() const {
        const auto bytes = [](const auto& a) { return static_cast<std::int64_t>(a.size() * sizeof(T)); };
        memory m;
        m.parameters = static_cast<std::int64_t>((model_->parameters().size() + model_->statistics().size()) * sizeof(T));
        m.gradients = parts_.gradient_bytes();
        m.moments = parts_.moment_bytes();
        m.arena = bytes(memory_->arena);
        m.workspace = bytes(memory_->workspace);
        m.saved_statistics = bytes(memory_->saved);
        m.border = bytes(memory_->border);
        return m;
    }

    /// What must agree between a checkpoint and the trainer that restores it.
    training_identity identity() const { return identity_of(model_->network(), tasks_, what_, heads_, optimizer_, options_); }

    /// Shows everything that a bit-exact continuation needs to `a`: `a.number(name, int64)`, `a.values(name, span)` for what has a fixed
    /// size, `a.list(name, vector, row, rows)` for what has up to `rows` rows of that many values. The same function serves to save, to check
    /// and to restore.
    template <class Archive>
    void archive(Archive& a) {
        a.values("parameters", model_->parameters());
        a.values("statistics", model_->statistics());
        for (std::size_t i = 0; i < Optimizer::moments; ++i) a.values("moment." + std::to_string(i), parts_.moments(i));
        if (options_.average) a.values("average", average_.span());
        if (options_.l2_sp) a.values("l2_sp.start", start_.span());
        a.values("updates", parts_.updates());
        now_.archive(a);
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

    /// A kind of step: its plan, and what its backward pass gives gradients for. A stage behind the last tap of the turn's heads gets none.
    struct turn {
        std::unique_ptr<executor<backend>> run;
        std::uint64_t heads;
        std::vector<char> reaches; ///< per part: some of its gradients are computed
        std::vector<slot> idle;    ///< parameters of reached parts whose own gradients are not
    };

    template <class Strategy>
    static mode checked() {
        static_assert(detail::mode_fits<Net, train<Strategy>>());
        return Strategy::value(network_traits<Net>::stage_count);
    }

    trainer(Model& m, const mode& what, scheme tasks, Optimizer optimizer, batch capacity, train_options options, std::uint64_t heads)
        : model_{&m}, optimizer_{optimizer}, options_{std::move(options)}, what_{what}, tasks_{tasks}, heads_{heads},
          parts_{m.network(), what.first_trained_stage, options_.layer_decay, options_.decay_norms_and_biases} {
        const graph& g = m.network();
        if (options_.head_weights.empty()) options_.head_weights.assign(head_count, 1.0);
        if (options_.head_weights.size() != static_cast<std::size_t>(head_count))
            throw option_error("head weights", std::to_string(head_count) + " numbers", std::to_string(options_.head_weights.size()));
        if ((heads_ & ((std::uint64_t{1} << head_count) - 1)) == 0) throw option_error("heads to train", "at least one", "none");

        if (options_.average) average_ = aligned_array<T>(parts_.gradients().size());
        if (options_.l2_sp) keep_start();

        const auto add_executor = [&](std::uint64_t mask) {
            mode step_mode = what;
            step_mode.heads = mask;
            turn t{std::make_unique<executor<backend>>(g, step_mode, capacity.value, m.pool(), memory_), mask, std::vector<char>(parts_.count()), {}};
            const std::vector<node_plan>& plans = t.run->plan().nodes;
            for (std::size_t i = 0; i < plans.size(); ++i)
                if (plans[i].trains) t.reaches[static_cast<std::size_t>(g.nodes[i].owner)] = true;
            for (std::size_t i = 0; i < plans.size(); ++i) {
                const node& n = g.nodes[i];
                if (plans[i].trains || !t.reaches[static_cast<std::size_t>(n.owner)]) continue;
                for (const slot s : {n.weight, n.bias})
                    if (s) t.idle.push_back(s);
            }
            turns_.push_back(std::move(t));
        };
        if (tasks == scheme::alternating) {
            for (int h = 0; h < head_count; ++h)
                if (trains_head(h)) add_executor(std::uint64_t{1} << h);
        } else {
            add_executor(heads_);
        }
        mode check = validate::value(g.stage_count());
        check.heads = heads_;
        validation_ = std::make_unique<executor<backend>>(g, check, capacity.value, m.pool(), memory_);

        std::size_t scratch = 0;
        for_each_loss([&](const auto& loss, int h) {
            scratch = std::max(scratch, loss.scratch_size(capacity.value, g[g.heads[static_cast<std::size_t>(h)].logits].out, m.pool().threads()));
        });
        scratch_ = aligned_array<double>(scratch);
        loss_.assign(head_count, nan());
        now_.loss_sum.assign(head_count, 0);
        now_.loss_count.assign(head_count, 0);
        for (const head_info& h : g.heads) history_.heads.emplace_back(h.name);
    }

    static constexpr double nan() { return std::numeric_limits<double>::quiet_NaN(); }

    template <class F>
    void for_each_loss(F f) const {
        [&]<std::size_t... H>(std::index_sequence<H...>) { (f(std::get<H>(losses_), static_cast<int>(H)), ...); }
        (std::make_index_sequence<static_cast<std::size_t>(head_count)>{});
    }

    void check_batch(const data::batch& b) const {
        if (b.heads.size() != static_cast<std::size_t>(head_count))
            throw shape_mismatch("batch", "labels for " + std::to_string(head_count) + " heads", std::to_string(b.heads.size()));
        if (b.size() == 0 || b.size() > static_cast<std::size_t>(validation_->capacity()))
            throw shape_mismatch("batch", "1 to " + std::to_string(validation_->capacity()) + " samples", std::to_string(b.size()));
        if (b.images.shape()[0] != b.size())
            throw shape_mismatch("batch: images", std::to_string(b.size()) + " samples", std::to_string(b.images.shape()[0]));
        const std::size_t pixels = b.images.size() / b.size();
        for (std::size_t i = 0; i < b.size(); ++i) // one such pixel would ruin the running statistics of every norm
            if (!std::all_of(b.images.data() + i * pixels, b.images.data() + (i + 1) * pixels, [](float v) { return std::isfinite(v); }))
                throw error("image '" + b.ids[i] + "'", "finite values", "NaN or infinity");
        for_each_loss([&](const auto& loss, int h) {
            const head_info& head = model_->network().heads[static_cast<std::size_t>(h)];
            const data::batch::labels& labels = b.heads[static_cast<std::size_t>(h)];
            const auto wanted = b.size() * static_cast<std::size_t>(loss.target_shape(model_->network()[head.logits].out).size());
            if (labels.present.size() != b.size() || labels.values.size() != wanted)
                throw shape_mismatch("batch: labels of head '" + std::string(head.name) + "'", std::to_string(wanted) + " values",
                                     std::to_string(labels.values.size()) + " values for " + std::to_string(labels.present.size()) + " samples");
        });
    }

    static std::size_t labelled(const data::batch& b, std::size_t h) {
        std::size_t count = 0;
        for (const std::uint8_t present : b.heads[h].present) count += present != 0 ? 1U : 0U;
        return count;
    }

    bool has_label(const data::batch& b) const {
        check_batch(b);
        for (std::size_t h = 0; h < static_cast<std::size_t>(head_count); ++h)
            if (trains_head(static_cast<int>(h)) && labelled(b, h) > 0) return true;
        return false;
    }

    /// What `step` returns, without one.
    const std::vector<double>& pass() {
        std::fill(loss_.begin(), loss_.end(), nan());
        return loss_;
    }

    /// Joint: the one turn. Alternating: the next head whose turn it is and that has a label in the batch.
    std::size_t next_turn(const data::batch& b) const {
        for (std::size_t k = 0; k < turns_.size(); ++k) {
            const std::size_t next = (static_cast<std::size_t>(now_.steps) + k) % turns_.size();
            for (std::size_t h = 0; h < static_cast<std::size_t>(head_count); ++h)
                if (((turns_[next].heads >> h) & 1U) != 0 && labelled(b, h) > 0) return next;
        }
        throw label_error("batch of '" + b.ids.front() + "'", "a label for a head that is trained", "none");
    }

    /// Loss of head h into loss_, its gradient where wanted; returns how many samples are labelled.
    std::size_t evaluate(int h, const data::batch& b, tensor_view<T> logits, tensor_view<T> gradient) {
        const std::size_t i = static_cast<std::size_t>(h);
        const data::batch::labels& labels = b.heads[i];
        for_each_loss([&](const auto& loss, int which) {
            if (which != h) return;
            const tensor_view<const float> target{labels.values.data(), logits.n, loss.target_shape(logits.s)};
            try {
                loss_[i] = loss.evaluate(tensor_view<const T>(logits), target, std::span<const std::uint8_t>(labels.present),
                                         options_.head_weights[i], gradient, loss::workspace{&model_->pool(), scratch_.span()});
            } catch (const label_error& wrong) { // which knows the sample's place in the batch only
                throw label_error("head '" + history_.heads[i] + "', batch that begins with '" + b.ids.front() + "': " + wrong.what());
            }
        });
        return labelled(b, i);
    }

    double rate_factor() const {
        return std::visit([&]<class S>(const S& s) {
            return s.factor(std::is_same_v<S, schedule::cosine> ? now_.steps : now_.epoch);
        }, options_.schedule);
    }

    void update(const turn& now, const data::batch& b) {
        const flush_denormals mode{flushes_denormals<backend>()};
        const std::size_t stages = static_cast<std::size_t>(model_->network().stage_count());
        const auto moves = [&](std::size_t p) { return now.reaches[p] && (p < stages || labelled(b, p - stages) > 0); };
        for (const slot& s : now.idle) { // another turn's may stand there
            const std::span<T> gradient = parts_.gradient(s);
            std::fill(gradient.begin(), gradient.end(), T{0});
        }
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
                optim::add_l2_sp(parts_.gradient(s), at(std::span<const T>(model_->parameters()), s), at(std::span<const T>(start_.span()), s),
                                 options_.l2_sp->strength, &model_->pool());
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
            throw label_error("validation data", "a label for a head that is trained, or a monitor of one's own", "none");
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
    losses losses_{};
    trained_parts<T, Optimizer> parts_;
    aligned_array<T> average_;
    aligned_array<T> start_; ///< of L2-SP: every parameter as it was
    std::vector<turn> turns_;
    std::unique_ptr<executor<backend>> validation_;
    std::shared_ptr<executor_memory<T>> memory_ = std::make_shared<executor_memory<T>>(); ///< of all executors: they run in turn
    aligned_array<double> scratch_;
    std::vector<double> loss_;
    training_progress now_;
    std::vector<T> best_parameters_, best_statistics_;
    history history_;
};

} // namespace umsrep
