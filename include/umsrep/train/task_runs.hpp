// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <umsrep/model.hpp>
#include <umsrep/core/error.hpp>
#include <umsrep/network/strategy.hpp>
#include <umsrep/train/balance/balancer.hpp>
#include <umsrep/train/feature_cache.hpp>
#include <umsrep/train/head_losses.hpp>
#include <umsrep/train/options.hpp>
#include <umsrep/train/task_gradients.hpp>
#include <umsrep/train/turn.hpp>

namespace umsrep {

/// Runs the heads of a model on batches for a trainer: together, in turn, or one by one with each one's gradients kept apart. Owns the
/// plans, the memory that they share, the losses, and what a cached strategy keeps of its samples.
template <class Model>
class task_runs {
    using T = typename Model::scalar;
    using backend = typename Model::backend;

public:
    /// `m` and the memory of `gradients` must outlive this. `what`: the mode of a step of all `heads`. `gradients`: of the parameters from
    /// `first_parameter` on. `options` has a weight for each head.
    task_runs(Model& m, const mode& what, scheme tasks, std::uint64_t heads, batch capacity, const train_options& options,
              std::span<T> gradients, std::ptrdiff_t first_parameter)
        : model_{&m},
          what_{what},
          tasks_{tasks},
          heads_{heads},
          capacity_{capacity.value},
          random_{options.random},
          head_weights_{options.head_weights},
          gradients_{gradients},
          first_parameter_{first_parameter},
          losses_{m, capacity},
          kept_statistics_(m.statistics().size()) {
        mode check = validate::value(m.network().stage_count());
        check.first_trained_stage = what.first_trained_stage;
        check.computes = what.computes;
        for (std::uint64_t left = heads_; left != 0;) { // together, unless each sees an encoder normalised for it
            check.heads = m.has_task_statistics() ? left & (~left + 1) : left;
            left &= ~check.heads;
            validations_.emplace_back(m.network(), check, capacity_, m.pool(), memory_);
        }
        if (what.computes == portion::rest) {
            mode together = what;
            together.heads = heads_;
            features_ =
                std::make_unique<feature_cache<backend>>(m.network(), together, capacity_, m.pool(), memory_, options.feature_bytes);
        }
    }

    head_losses<Model>& losses() { return losses_; }
    const head_losses<Model>& losses() const { return losses_; }
    feature_cache<backend>* features() { return features_.get(); }
    const feature_cache<backend>* features() const { return features_.get(); }
    const executor_memory<T>& memory() const { return *memory_; }

    bool trains(std::size_t h) const { return ((heads_ >> h) & 1U) != 0; }
    /// Whether a head is trained and has a label in the batch.
    bool takes_part(std::size_t h, const data::batch& b) const { return trains(h) && labelled(b, h) > 0; }

    /// Makes the turns of steps that follow a sum of losses: one, or one for each head where the strategy alternates.
    void make_turns() {
        if (tasks_ == scheme::alternating) turns_ = turns_of_heads();
        else turns_.push_back(make_turn(heads_));
    }
    /// Makes what `run_apart` needs, if it is not there. Throws option_error when the heads share nothing that trains.
    void make_apart() {
        if (apart_) return;
        task_gradients<T> gradients(shared_stages(), static_cast<std::size_t>(Model::head_count));
        if (gradients.size() == 0) throw option_error("gradients of each task", "an encoder of which something trains", "a frozen one");
        const std::size_t parts = static_cast<std::size_t>(model_->network().stage_count() + model_->network().head_count());
        apart_.reset(new heads_apart{turns_of_heads(), std::move(gradients), std::vector<char>(parts)});
    }

    /// One step's losses and the gradients of their sum, weighed by `balancer` where it is not null. Joint: of all heads. Alternating: of
    /// the next head whose turn it is and that has a label in the batch. Losses of heads without a label stay as they are. Returns which
    /// parts (stages and heads) have gradients.
    const std::vector<char>& run_next(const data::batch& b, std::uint64_t step, std::vector<double>& losses, balance::balancer* balancer) {
        turn<backend>& now = turns_[next_turn(turns_.size(), [&](std::size_t i) -> const turn_facts& { return turns_[i]; }, b, step)];
        run(now, b, step, losses, balancer, passes::all);
        return now.reaches;
    }

    /// The same of head after head, those that take part, and each one's gradient of what is shared goes to `shared_gradients`. Running
    /// statistics of the encoder move once: each head finds those from before the step.
    const std::vector<char>& run_apart(const data::batch& b, std::uint64_t step, std::vector<double>& losses, balance::balancer* balancer) {
        keep_statistics();
        std::fill(apart_->reaches.begin(), apart_->reaches.end(), 0);
        bool any = false;
        const std::span<T> shared = gradients_.first(apart_->gradients.size());
        for (turn<backend>& now : apart_->turns) {
            const auto h = static_cast<std::size_t>(task_of(now.heads));
            if (labelled(b, h) == 0) continue;
            any = true;
            for (const slot& s : now.moved_statistics)
                std::copy_n(kept_statistics_.data() + s.offset, s.size, model_->statistics().data() + s.offset);
            std::fill(shared.begin(), shared.end(), T{0});
            run(now, b, step, losses, balancer, passes::all);
            std::copy(shared.begin(), shared.end(), apart_->gradients.of(h).begin());
            for (std::size_t p = 0; p < now.reaches.size(); ++p) apart_->reaches[p] |= now.reaches[p];
        }
        if (!any) throw_unlabelled(b);
        return apart_->reaches;
    }
    /// Null before `make_apart`.
    task_gradients<T>* shared_gradients() { return apart_ ? &apart_->gradients : nullptr; }
    const task_gradients<T>* shared_gradients() const { return apart_ ? &apart_->gradients : nullptr; }

    /// The losses of a batch as a step would see them, by batch statistics where it uses them; moves nothing.
    void forward(const data::batch& b, std::uint64_t step, std::vector<double>& losses) {
        keep_statistics();
        for (turn<backend>& now : turns_.size() == 1 ? turns_ : apart_->turns) run(now, b, step, losses, nullptr, passes::forward);
        put_back_statistics();
    }

    /// Undoes what the last `run_apart` did to the running statistics of the encoder and of the heads.
    void put_back_statistics() { std::copy(kept_statistics_.begin(), kept_statistics_.end(), model_->statistics().begin()); }

    /// `take(h, logits)` for every head, by running statistics.
    template <class Take>
    void run_validation(const data::batch& b, Take take) {
        for (executor<backend>& e : validations_) {
            feed(e, b, sample_set::validation);
            model_->run(e, static_cast<int>(b.size()), take, task_of(e.plan().what.heads));
        }
    }

private:
    struct heads_apart {
        std::vector<turn<backend>> turns;
        task_gradients<T> gradients;
        std::vector<char> reaches; ///< as turn::reaches, of all turns of the step
    };

    /// By whose statistics heads that step together are computed, where each has its own: then they are one.
    static int task_of(std::uint64_t heads) { return std::countr_zero(heads); }

    turn<backend> make_turn(std::uint64_t mask) {
        mode step_mode = what_;
        step_mode.heads = mask;
        return {model_->network(), step_mode, capacity_, model_->pool(), memory_};
    }
    std::vector<turn<backend>> turns_of_heads() {
        std::vector<turn<backend>> turns;
        for (std::size_t h = 0; h < static_cast<std::size_t>(Model::head_count); ++h)
            if (trains(h)) turns.push_back(make_turn(std::uint64_t{1} << h));
        return turns;
    }

    /// The parameters of each stage that trains, counted from the first that trains; empty ranges for the others.
    std::vector<typename task_gradients<T>::range> shared_stages() const {
        const graph& g = model_->network();
        std::vector<typename task_gradients<T>::range> stages(static_cast<std::size_t>(g.stage_count()));
        for (const node& n : g.nodes)
            for (const slot s : {n.weight, n.bias}) {
                if (!s || n.owner >= g.stage_count() || n.owner < what_.first_trained_stage) continue;
                auto& stage = stages[static_cast<std::size_t>(n.owner)];
                const auto begin = static_cast<std::size_t>(s.offset - first_parameter_), end = begin + static_cast<std::size_t>(s.size);
                stage = stage.begin == stage.end
                            ? typename task_gradients<T>::range{begin, end}
                            : typename task_gradients<T>::range{std::min(stage.begin, begin), std::max(stage.end, end)};
            }
        return stages;
    }

    /// The batch's images, or where a cached strategy has seen them before, what the frozen stages gave for them.
    void feed(executor<backend>& e, const data::batch& b, sample_set from) {
        if (features_)
            features_->give(e, b, {model_->parameters().data(), model_->statistics_of(task_of(heads_)).data(), nullptr, 0}, from);
        else e.set_input(static_cast<int>(b.size()), b.images.data());
    }

    void run(turn<backend>& now, const data::batch& b, std::uint64_t step, std::vector<double>& losses, balance::balancer* balancer,
             passes which) {
        for (const slot& s : now.idle) { // another turn's may stand there
            const std::span<T> idle =
                gradients_.subspan(static_cast<std::size_t>(s.offset - first_parameter_), static_cast<std::size_t>(s.size));
            std::fill(idle.begin(), idle.end(), T{0});
        }
        feed(now.run, b, sample_set::training);
        now.run.run(
            static_cast<int>(b.size()),
            {model_->parameters().data(), model_->statistics_of(task_of(now.heads)).data(), gradients_.data(), first_parameter_}, random_,
            step,
            [&](int h, tensor_view<T> logits, tensor_view<T> gradient) {
                const std::size_t i = static_cast<std::size_t>(h);
                const double loss = losses_.evaluate(h, b, logits, gradient, head_weights_[i]);
                if (labelled(b, i) == 0) return;
                losses[i] = loss;
                if (balancer == nullptr) return;
                if (const T weight = static_cast<T>(balancer->weight(i, loss)); weight != T{1})
                    std::for_each(gradient.begin(), gradient.end(), [weight](T& g) { g *= weight; });
            },
            which);
    }

    void keep_statistics() { std::copy(model_->statistics().begin(), model_->statistics().end(), kept_statistics_.begin()); }

    Model* model_;
    mode what_;
    scheme tasks_;
    std::uint64_t heads_;
    int capacity_;
    seed random_;
    std::vector<double> head_weights_;
    std::span<T> gradients_;
    std::ptrdiff_t first_parameter_;
    head_losses<Model> losses_;
    std::shared_ptr<executor_memory<T>> memory_ = std::make_shared<executor_memory<T>>(); ///< of all executors: they run in turn
    std::vector<turn<backend>> turns_;   ///< empty where steps keep the heads' gradients apart
    std::unique_ptr<heads_apart> apart_; ///< null until it is needed
    std::vector<executor<backend>> validations_;
    std::unique_ptr<feature_cache<backend>> features_; ///< of a cached strategy
    std::vector<T> kept_statistics_;
};

} // namespace umsrep
