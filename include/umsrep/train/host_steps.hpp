// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <umsrep/model.hpp>
#include <umsrep/optim/l2_sp.hpp>
#include <umsrep/train/affinity.hpp>
#include <umsrep/train/balance/balancer.hpp>
#include <umsrep/train/l2_sp_start.hpp>
#include <umsrep/train/options.hpp>
#include <umsrep/train/step_place.hpp>
#include <umsrep/train/task_runs.hpp>
#include <umsrep/train/trained_parts.hpp>

namespace umsrep {

/// The steps of a trainer, computed in the host's memory: forward and backward passes, balancing, the optimiser, the weights' average. Owns
/// all of their state except for the model. A backend that computes elsewhere brings a type of its own with these members, see `steps_of`.
template <class Model, optim::optimizer Optimizer>
class host_steps {
    using backend = typename Model::backend;
    using T = typename Model::scalar;
    static constexpr int head_count = Model::head_count;

public:
    /// How many steps may have begun before the first of them must end.
    static constexpr std::size_t ahead = 1;
    /// Whether batches may come with changes that are not computed: here the loader's threads are as good as the trainer's.
    static constexpr bool computes_changes = false;

    /// `what`: the mode of a step of all `heads`. `options` has a weight for each head.
    host_steps(Model& m, const mode& what, scheme tasks, std::uint64_t heads, const Optimizer& optimizer, batch capacity,
               const train_options& options)
        : model_{&m},
          optimizer_{optimizer},
          what_{what},
          clip_norm_{options.clip_norm},
          l2_sp_{options.l2_sp},
          ema_{options.average},
          parts_{m.network(), what.first_trained_stage, options.layer_decay, options.decay_norms_and_biases},
          balancer_{options.balance, options.loss_average, head_names(m.network())},
          runs_{m, what, tasks, heads, capacity, options, parts_.gradients(), parts_.first_parameter()} {
        if (balancer_.active() && tasks != scheme::joint)
            throw option_error("balance " + options.balance.text(), "a joint strategy", std::string(to_string(tasks)));
        if (balancer_.combines()) runs_.make_apart();
        else runs_.make_turns();
        if (ema_) average_ = aligned_array<T>(parts_.gradients().size());
        if (l2_sp_) keep_start();
        loss_.assign(head_count, nan());
        observed_.assign(head_count, nan());
    }

    auto& losses() { return runs_.losses(); }
    const auto& losses() const { return runs_.losses(); }
    feature_cache<backend>* features() { return runs_.features(); }
    const feature_cache<backend>* features() const { return runs_.features(); }
    bool trains(std::size_t h) const { return runs_.trains(h); }
    bool takes_part(std::size_t h, const data::batch& b) const { return runs_.takes_part(h, b); }

    /// Tells of the batch that will begin next, so that it may be on its way; here, it need not be.
    void stage(const data::batch&, const step_place&) {}
    /// Forgets what was staged, or begun and not ended.
    void drop() {}
    /// Begins one update on one batch; here, computes it.
    void begin(const data::batch& b, const step_place& at) {
        runs_.losses().check(b);
        std::fill(loss_.begin(), loss_.end(), nan());
        balance::balancer* const balancer = balancer_.active() ? &balancer_ : nullptr;
        if (balancer != nullptr) balancer->begin([&](std::size_t h) { return runs_.takes_part(h, b); });
        if (balancer_.combines()) {
            const std::vector<char>& reaches = runs_.run_apart(b, at.number, loss_, balancer);
            task_gradients<T>& gradients = *runs_.shared_gradients();
            const auto coefficients = balancer_.combine(gradients.multiply(balancer_.present(), model_->pool()));
            gradients.combine(coefficients, parts_.gradients().first(gradients.size()), model_->pool());
            update(reaches, b, at);
        } else {
            update(runs_.run_next(b, at.number, loss_, balancer), b, at);
        }
        if (balancer_.active()) balancer_.learn();
        if (balancer_.observes()) {
            runs_.forward(b, at.number, observed_);
            balancer_.observe(observed_);
        }
    }
    /// Ends the oldest update that has begun. Returns the mean loss of each head; NaN: not trained in this step, or without a label.
    const std::vector<double>& end() { return loss_; }

    /// Of the update that ended last.
    static loss_scaling scaling() { return {}; }

    /// `take(h, mean loss)` of every head that is trained, by running statistics; 0 for those without a label.
    template <class Take>
    void validate(const data::batch& b, Take take) {
        runs_.losses().check(b);
        runs_.run_validation(b, [&](int h, tensor_view<T> logits) { take(h, runs_.losses().evaluate(h, b, logits, {}, 1)); });
    }
    void end_epoch(const std::vector<double>& train_loss) {
        if (balancer_.active()) balancer_.end_epoch(train_loss);
    }

    /// See trainer::measure.
    void measure(const data::batch& b, std::uint64_t number, task_affinity& a, double rate) {
        runs_.losses().check(b);
        runs_.make_apart();
        task_gradients<T>& gradients = *runs_.shared_gradients();
        std::vector<double> before(head_count, nan()), after(head_count, nan());
        runs_.run_apart(b, number, before, nullptr);
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
            runs_.forward(b, number, after);
            for (std::size_t j = 0; j < present.size(); ++j)
                if (present[j] != 0) a.add_gain(i, j, 1 - after[j] / before[j]);
        }
        std::copy(start.begin(), start.end(), shared.begin());
    }
    const balance::inner_products* inner_products() const {
        return runs_.shared_gradients() != nullptr ? &runs_.shared_gradients()->products() : nullptr;
    }

    /// The gradients that the last step followed, of the parameters from `first_parameter` on.
    std::span<const T> gradients() const { return parts_.gradients(); }
    std::ptrdiff_t first_parameter() const { return parts_.first_parameter(); }

    /// Exchanges the weights with their average, where there is one.
    void swap_average() {
        if (ema_) std::swap_ranges(average_.span().begin(), average_.span().end(), trained_parameters().begin());
    }

    memory allocated() const {
        const auto bytes = [](const auto& a) { return static_cast<std::int64_t>(a.size() * sizeof(T)); };
        memory m;
        m.parameters = static_cast<std::int64_t>((model_->parameters().size() + model_->statistics().size()) * sizeof(T));
        m.gradients = parts_.gradient_bytes();
        if (const auto* apart = runs_.shared_gradients()) m.gradients += static_cast<std::int64_t>(apart->bytes());
        m.moments = parts_.moment_bytes();
        m.arena = bytes(runs_.memory().arena);
        m.workspace = bytes(runs_.memory().workspace);
        m.workers = bytes(runs_.memory().workers);
        m.saved_statistics = bytes(runs_.memory().saved);
        m.border = bytes(runs_.memory().border);
        return m;
    }

    /// Shows its state and the model's to an archive, as `trainer::archive` does.
    template <class Archive>
    void archive(Archive& a) {
        a.values("parameters", model_->parameters());
        a.values("statistics", model_->statistics());
        for (std::size_t i = 0; i < Optimizer::moments; ++i) a.values("moment." + std::to_string(i), parts_.moments(i));
        if (ema_) a.values("average", average_.span());
        if (l2_sp_) a.values("l2_sp.start", start_.span());
        a.values("updates", parts_.updates());
        balancer_.archive(a);
    }

private:
    static constexpr double nan() { return std::numeric_limits<double>::quiet_NaN(); }

    static std::vector<std::string> head_names(const graph& g) {
        std::vector<std::string> names;
        for (const head_info& h : g.heads) names.emplace_back(h.name);
        return names;
    }

    /// Follows the gradients of the parts that a step reaches; heads without a label in the batch stay.
    void update(const std::vector<char>& reaches, const data::batch& b, const step_place& at) {
        const flush_denormals mode{flushes_denormals<backend>()};
        const std::size_t stages = static_cast<std::size_t>(model_->network().stage_count());
        const auto moves = [&](std::size_t p) { return reaches[p] != 0 && (p < stages || labelled(b, p - stages) > 0); };
        if (balancer_.active())
            if (const double common = balancer_.common(); common != 1) parts_.scale(common, moves, model_->pool());
        if (l2_sp_) pull_to_start(moves);
        const double limit = clip_norm_ > 0 ? clip_norm_ : std::numeric_limits<double>::infinity();
        if (!std::isfinite(parts_.clip(limit, moves, model_->pool()))) throw_not_finite(at.number, b.ids.front());
        parts_.update(optimizer_, model_->parameters(), at.rate_factor, moves, model_->pool());
        if (ema_) ema_->update(average_.span(), std::span<const T>(trained_parameters()), at.average_updates, &model_->pool());
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
        start_ = aligned_array<T>(model_->parameters().size());
        fill_start(*l2_sp_, std::span<const T>(model_->parameters()), start_.span());
    }
    template <class Moves>
    void pull_to_start(Moves moves) {
        for_each_trained_in_encoder([&](int stage, const slot& s) {
            if (moves(static_cast<std::size_t>(stage)))
                optim::add_l2_sp(parts_.gradient(s), at(std::span<const T>(model_->parameters()), s),
                                 at(std::span<const T>(start_.span()), s), l2_sp_->strength, &model_->pool());
        });
    }

    std::span<T> trained_parameters() { return model_->parameters().subspan(static_cast<std::size_t>(parts_.first_parameter())); }

    Model* model_;
    Optimizer optimizer_;
    mode what_;
    double clip_norm_;
    std::optional<l2_sp> l2_sp_;
    std::optional<optim::ema> ema_;
    trained_parts<T, Optimizer> parts_;
    balance::balancer balancer_;
    task_runs<Model> runs_;
    aligned_array<T> average_;
    aligned_array<T> start_; ///< of L2-SP: every parameter as it was
    std::vector<double> loss_, observed_;
};

} // namespace umsrep
