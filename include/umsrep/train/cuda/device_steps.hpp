// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <umsrep/backend/cuda/kernel/copy.cuh>
#include <umsrep/backend/cuda/cuda.hpp>
#include <umsrep/model.hpp>
#include <umsrep/train/affinity.hpp>
#include <umsrep/train/balance/inner_products.hpp>
#include <umsrep/train/cuda/arranged_memory.hpp>
#include <umsrep/train/cuda/device_optimizer.hpp>
#include <umsrep/train/cuda/similarity_losses.hpp>
#include <umsrep/train/cuda/step_block.hpp>
#include <umsrep/train/head_losses.hpp>
#include <umsrep/train/options.hpp>
#include <umsrep/train/step_place.hpp>
#include <umsrep/train/turn.hpp>

namespace umsrep::cuda {

/// What a device can compute: kernels for this very loss, and options that can be compared, for a step that was captured knows them.
template <class Loss, class Machine, class T>
concept loss_on_device = std::equality_comparable<Loss> && requires(Machine& m, const Loss& loss, const loss_work<T>& w, arranged_memory& room) {
    enqueue(m, exactly(loss), w, room);
};

/// The steps of a trainer on a device, with the members of `host_steps`. A batch goes up as one block, from memory that the device reads by
/// itself, while the step before is computed; forward, losses, backward, optimiser and average are given to the device once for each kind
/// of step and batch size, and from the second time on as a whole. What the step found comes back with an event; `end` waits for it.
template <class Net, precision P, class Machine, optim::optimizer Optimizer>
class device_steps {
    using Model = model<Net, on_cuda<P, Machine>>;
    using stored = stored_type<P>;
    static constexpr auto head_count = static_cast<std::size_t>(Model::head_count);
    static_assert(head_count < 64, "a batch's changed tensors, the images and each head's labels, are bits of one number");
    static constexpr bool losses_known = []<class... Loss>(std::type_identity<std::tuple<Loss...>>) {
        return (loss_on_device<Loss, Machine, stored> && ...);
    }(std::type_identity<typename head_losses<Model>::tuple>{});

public:
    /// How many steps may have begun before the first of them must end: one is computed, the next one's batch is on its way.
    static constexpr std::size_t ahead = 2;
    /// Changes of pixels that are only drawn are computed before the step that reads them.
    static constexpr bool computes_changes = true;

    /// As of host_steps. Throws option_error for what only the host can do.
    device_steps(Model& m, const mode& what, scheme tasks, std::uint64_t heads, const Optimizer& optimizer, batch capacity,
                 const train_options& options)
        : model_{&m},
          session_{&m.on_device()},
          machine_{&session_->machine()},
          store_{&session_->store()},
          optimizer_{optimizer},
          head_weights_{options.head_weights},
          random_{options.random},
          ema_{options.average},
          heads_{heads},
          capacity_{capacity.value},
          losses_{m, capacity},
          gradients_{*machine_, store_->layout(), what.first_trained_stage},
          moving_{*machine_, m.network(), *store_, gradients_, optimizer, what.first_trained_stage, options, std::as_const(m).parameters()},
          block_{m.image(), moving_.parts(), targets_of(m), capacity_},
          input_{machine_->allocate(block_.bytes())},
          reports_{machine_->allocate(report_bytes)},
          loss_(head_count, nan()) {
        refuse(what, options);
        for (std::size_t i = 0; i < ahead; ++i)
            parcels_.push_back({machine_->allocate_on_host(block_.bytes()),
                                machine_->allocate_on_host(report_bytes + sizeof(kernel::step_state)), machine_->allocate(block_.bytes()),
                                machine_->make_event(), machine_->make_event()});
        const auto add = [&](std::vector<kind>& to, mode how, std::uint64_t mask) {
            how.heads = mask;
            to.emplace_back(*session_, how, capacity_, m.has_task_statistics());
        };
        mode check = validate::value(m.network().stage_count());
        check.first_trained_stage = what.first_trained_stage;
        for_each_group(heads, tasks == scheme::alternating, [&](std::uint64_t mask) { add(turns_, what, mask); });
        for_each_group(heads, m.has_task_statistics(), [&](std::uint64_t mask) { add(validations_, check, mask); });
    }

    auto& losses() { return losses_; }
    const auto& losses() const { return losses_; }
    bool trains(std::size_t h) const { return ((heads_ >> h) & 1U) != 0; }
    bool takes_part(std::size_t h, const data::batch& b) const { return trains(h) && labelled(b, h) > 0; }
    /// Of a cached strategy, which there is none of on a device.
    struct no_features {
        void forget() {}
    };
    no_features* features() { return nullptr; }
    const no_features* features() const { return nullptr; }

    /// Sends a batch on its way, while the step before is computed. It may go as soon as this returns.
    void stage(const data::batch& b, const step_place& at) {
        losses_.check(b, true);
        optim::check_factor(at.rate_factor);
        begun step;
        step.turn = next_turn(turns_.size(), [&](std::size_t i) -> const turn_facts& { return turns_[i].facts; }, b, at.number);
        step.at = &parcels_[static_cast<std::size_t>(next_parcel_++ % ahead)];
        step.number = at.number;
        step.first_id = b.ids.front();
        step.samples = b.size();
        const turn_facts& facts = turns_[step.turn].facts;
        for (std::size_t h = 0; h < head_count; ++h) step.has_loss[h] = facts.has_head(h) && labelled(b, h) > 0;
        tell(b, at, facts, *step.at);
        step.changed = step_block::changed(b);
        machine_->upload(step.at->staged.address(), step.at->host.address(), block_.bytes(), queue::copies);
        machine_->mark(step.at->uploaded, queue::copies);
        staged_ = std::move(step);
    }
    /// Begins one update on one batch, the one that was staged if one was: gives the device its work.
    void begin(const data::batch& b, const step_place& at) {
        if (!staged_) stage(b, at);
        begun& step = begun_.emplace_back(std::move(*staged_));
        staged_.reset();
        kind& now = turns_[step.turn];
        const int n = static_cast<int>(step.samples);
        model_->on_device(); // takes what the host changed
        work& w = prepared(now, n, true);
        machine_->wait(queue::compute, step.at->uploaded);
        enqueue_input(*step.at, n, step.changed);
        now.run.refresh(now.task, this); // what is constant in this plan, its own steps leave as it is
        run(now, w, n, true);
        session_->changed(this);
        auto* const found = static_cast<std::byte*>(step.at->found.address());
        machine_->download(found, reports_.address(), report_bytes);
        machine_->download(found + report_bytes, moving_.state(), sizeof(kernel::step_state));
        machine_->mark(step.at->done, queue::compute);
    }
    /// Forgets what was staged, or begun and not ended: a run ended in an exception.
    void drop() {
        if (!staged_ && begun_.empty()) return;
        machine_->synchronize();
        staged_.reset();
        begun_.clear();
        moving_.go_on();
    }

    /// Waits for the oldest update that has begun. Returns the mean loss of each head; NaN: not trained in this step, or without a label.
    /// Throws what was wrong with it; then later ones that have begun are left out, and no weight has moved since.
    const std::vector<double>& end() {
        const begun step = std::move(begun_.front());
        begun_.pop_front();
        machine_->wait(step.at->done);
        const auto* const found = static_cast<const std::byte*>(step.at->found.address());
        std::array<kernel::loss_report, head_count> reports;
        kernel::step_state state;
        std::memcpy(reports.data(), found, report_bytes);
        std::memcpy(&state, found + report_bytes, sizeof state);
        if (state.halted != 0) fail(step, reports);
        scaling_ = {state.skip != 0, static_cast<double>(state.loss_scale)};
        for (std::size_t h = 0; h < head_count; ++h) loss_[h] = step.has_loss[h] ? reports[h].value : nan();
        return loss_;
    }
    /// Of the update that ended last.
    const loss_scaling& scaling() const { return scaling_; }

    /// `take(h, mean loss)` of every head that is trained, by running statistics; 0 for those without a label.
    template <class Take>
    void validate(const data::batch& b, Take take) {
        losses_.check(b);
        model_->on_device();
        parcel& s = parcels_[static_cast<std::size_t>(next_parcel_ % ahead)]; // not the one of a batch that is staged
        machine_->synchronize();
        block_.put(b, s.host.address());
        machine_->upload(input_.address(), s.host.address(), block_.bytes());
        const int n = static_cast<int>(b.size());
        for (kind& now : validations_) {
            work& w = prepared(now, n, false);
            now.run.refresh(now.task);
            run(now, w, n, false);
            machine_->download(s.found.address(), reports_.address(), report_bytes);
            machine_->synchronize();
            std::array<kernel::loss_report, head_count> reports;
            std::memcpy(reports.data(), s.found.address(), report_bytes);
            for (std::size_t h = 0; h < head_count; ++h) {
                if (!now.facts.has_head(h)) continue;
                if (reports[h].refused != 0) refuse_label(h, s, b.size(), b.ids.front());
                take(static_cast<int>(h), reports[h].value);
            }
        }
    }
    void end_epoch(const std::vector<double>&) {}

    void measure(const data::batch&, std::uint64_t, task_affinity&, double) {
        throw option_error("how tasks bear on each other", "a model on the host", "one on a device");
    }
    const balance::inner_products* inner_products() const { return nullptr; }

    /// The gradients of the last step, clipped and without its loss scale, but without what L2-SP adds. Waits for the device.
    std::span<const float> gradients() const {
        const trained_tensors& all = moving_.tensors();
        gradients_on_host_.resize(static_cast<std::size_t>(model_->network().parameters - all.first_parameter()));
        gradients_.download(gradients_on_host_.data(), all.first_parameter(), [](const stored_tensor&) { return true; });
        const kernel::step_state s = moving_.download_state();
        for (float& g : gradients_on_host_) g *= s.unscale * s.clip;
        return gradients_on_host_;
    }
    std::ptrdiff_t first_parameter() const { return moving_.tensors().first_parameter(); }

    void swap_average() {
        if (!ema_) return;
        moving_.enqueue_swap();
        store_->enqueue_copies();
        session_->changed(nullptr);
    }

    /// Bytes on the device, all that the model holds there: what its predictions need is among them. `border`: the blocks by which batches
    /// come; `workspace`: scratch memory, and what no other word is for: layers' copies of weights, constants, tables, a weight average; no `workers`. What
    /// the driver and the libraries take for themselves is not known.
    memory allocated() const {
        memory m;
        const parameter_layout& l = store_->layout();
        const auto sets = static_cast<std::ptrdiff_t>(std::max<std::size_t>(1, head_count)); // of statistics
        m.parameters = static_cast<std::int64_t>(static_cast<std::size_t>(l.matrices() + l.vectors() + sets * l.statistics()) * sizeof(float));
        m.gradients = static_cast<std::int64_t>(static_cast<std::size_t>(moving_.tensors().matrices()) * sizeof(stored) +
                                                static_cast<std::size_t>(moving_.tensors().vectors()) * sizeof(float));
        m.moments = moving_.moment_bytes();
        const work_memory<Machine>& w = turns_.front().run.memory();
        m.arena = static_cast<std::int64_t>(w.arena.bytes());
        m.saved_statistics = static_cast<std::int64_t>(w.state.bytes());
        m.border = static_cast<std::int64_t>((1 + parcels_.size()) * block_.bytes());
        m.workspace = static_cast<std::int64_t>(machine_->held()) - m.total();
        return m;
    }

    /// Shows its state and the model's to an archive, as `trainer::archive` does, in the host's order: so a run may go on where another
    /// kind of backend left it, though not with the same bits.
    template <class Archive>
    void archive(Archive& a) {
        a.values("parameters", model_->parameters());
        a.values("statistics", model_->statistics());
        moving_.archive(a);
        scaling_ = {false, static_cast<double>(moving_.download_state().loss_scale)};
    }

private:
    static constexpr std::size_t report_bytes = head_count * sizeof(kernel::loss_report);

    /// Work that the device is given for a batch of one size.
    struct work {
        typename Machine::memory losses; ///< what losses compute in
        std::uint64_t generation = 0, options = 0; ///< of the memory whose addresses it knows, of losses
        int runs = 0;
        typename Machine::recording captured;
    };
    /// A kind of step or of validation.
    struct kind {
        program<Machine, P> run;
        turn_facts facts;
        int task; ///< by whose statistics
        std::map<int, work> of_batch{};

        kind(session<Machine, P>& s, const mode& how, int capacity, bool task_statistics)
            : run{s.machine(), s.network(), how, capacity, s.store(), s.memory()},
              facts{s.network(), run.plan()},
              task{task_statistics ? std::countr_zero(how.heads) : 0} {}
    };
    /// A batch on its way to the device, and what the step found on its way back.
    struct parcel {
        typename Machine::host_memory host, found;
        typename Machine::memory staged;
        typename Machine::event uploaded, done;
    };
    struct begun {
        parcel* at = nullptr;
        std::size_t turn = 0;
        std::uint64_t number = 0;
        std::string first_id;
        std::size_t samples = 0;
        std::uint64_t changed = 0; ///< as of step_block
        std::array<bool, head_count> has_loss{};
    };

    static constexpr double nan() { return std::numeric_limits<double>::quiet_NaN(); }

    template <class F>
    static void for_each_group(std::uint64_t heads, bool one_by_one, F f) {
        if (!one_by_one) return f(heads);
        for (std::uint64_t left = heads; left != 0; left &= left - 1) f(left & (~left + 1));
    }

    static void refuse(const mode& what, const train_options& o) {
        const auto no = [](const std::string& option, const std::string& got) { throw option_error(option, "a model on the host for this", got); };
        if (o.balance) no("balance", o.balance.text() + " on a device");
        if (o.loss_average > 0) no("loss average", std::to_string(o.loss_average) + " on a device");
        if (what.computes != portion::whole) no("strategy", "a cached one on a device");
    }

    static std::vector<shape> targets_of(const Model& m) {
        std::vector<shape> targets;
        [&]<std::size_t... H>(std::index_sequence<H...>) {
            (targets.push_back(std::tuple_element_t<H, typename network_traits<Net>::losses>::target_shape(
                 m.network()[m.network().heads[H].logits].out)),
             ...);
        }(std::make_index_sequence<head_count>{});
        return targets;
    }

    /// Writes what a step is told into a parcel of the host.
    void tell(const data::batch& b, const step_place& at, const turn_facts& facts, parcel& s) const {
        void* const to = s.host.address();
        *block_.order(to) = {optimizer_.lr * at.rate_factor, at.number,
                             ema_ ? static_cast<float>(1 - ema_->decay_after(at.average_updates)) : 0.0f, 0};
        const std::size_t stages = static_cast<std::size_t>(model_->network().stage_count());
        for (std::size_t p = 0; p < facts.reaches.size(); ++p)
            block_.moves(to)[p] = facts.reaches[p] != 0 && (p < stages || labelled(b, p - stages) > 0) ? 1 : 0;
        for (std::size_t h = 0; h < head_count; ++h) block_.weights(to)[h] = static_cast<float>(head_weights_[h]);
        block_.put(b, to);
    }

    /// Everything for a batch of n, allocated, prepared and its kernels loaded.
    work& prepared(kind& now, int n, bool training) {
        now.run.prepare(n);
        work& w = now.of_batch[n];
        const std::uint64_t options = options_of_losses();
        if (w.runs > 0 && w.generation == now.run.memory().generation && w.options == options) return w;
        w.captured = {};
        w.runs = 0;
        w.generation = now.run.memory().generation;
        w.options = options;
        losses_.for_each([&](const auto& loss, std::size_t h) {
            check_options(loss, model_->network()[model_->network().heads[h].logits].out);
        });
        arranged_memory room;
        room.begin(nullptr);
        machine_->rehearse([&] {
            now.run.refresh(now.task);
            enqueue_input(parcels_.front(), n, 1);
            enqueue_all(now, n, training, room);
        });
        if (room.bytes() > w.losses.bytes()) w.losses = machine_->allocate(room.bytes());
        room.begin(w.losses.address());
        machine_->rehearse([&] { enqueue_all(now, n, training, room); }); // where its constants go
        room.upload(*machine_);
        return w;
    }
    void run(kind& now, work& w, int n, bool training) {
        const auto enqueue_it = [&] {
            arranged_memory room;
            room.begin(w.losses.address());
            enqueue_all(now, n, training, room);
        };
        // Once as it is: libraries load on their first use what they could not while work is captured.
        if (w.runs == 0) {
            enqueue_it();
        } else {
            if (!w.captured) w.captured = machine_->capture(enqueue_it);
            machine_->replay(w.captured);
        }
        ++w.runs; // one that failed does not count
    }

    /// A batch from where it came up to where steps read it, its pixels as they shall be.
    void enqueue_input(const parcel& s, int n, std::uint64_t changed) {
        using part = kernel::copy_memory::block;
        machine_->launch(kernel::copy_memory{static_cast<kernel::u32>(block_.bytes() / sizeof(part)), static_cast<const part*>(s.staged.address()),
                                             static_cast<part*>(input_.address())});
        block_.enqueue_changes(*machine_, s.staged.address(), input_.address(), n, changed);
    }
    /// A whole step, or a whole validation of a batch.
    void enqueue_all(kind& now, int n, bool training, arranged_memory& room) {
        void* const block = input_.address();
        auto* const reports = static_cast<kernel::loss_report*>(reports_.address());
        machine_->zero(reports, report_bytes);
        if (training)
            for (const stored_tensor& t : store_->layout().tensors()) // another turn's may stand there
                if (gradients_.has(t) && std::ranges::any_of(now.facts.idle, [&](const slot& s) { return s.offset == t.host.offset; }))
                    machine_->zero(gradients_.address(t), static_cast<std::size_t>(t.size()) *
                                                              (trained_tensors::is_matrix(t) ? sizeof(stored) : sizeof(float)));
        run_arguments<Machine, P> arguments;
        arguments.n = n;
        arguments.images = block_.images(block);
        arguments.statistics = now.task;
        arguments.dropout_seed = random_;
        arguments.step = &block_.order(block)->number;
        arguments.gradients = training ? &gradients_ : nullptr;
        now.run.enqueue(arguments, [&](int h, const device_image<const stored>& logits, const device_image<stored>& gradient) {
            const auto i = static_cast<std::size_t>(h);
            const loss_work<stored> w{logits.e,
                                      logits.p,
                                      gradient.p,
                                      block_.target(block, i),
                                      {block_.present(block, i)},
                                      {block_.weights(block) + i, &moving_.state()->loss_scale},
                                      reports + i};
            losses_.for_each([&]<class Loss>(const Loss& loss, std::size_t of) {
                constexpr bool known = loss_on_device<Loss, Machine, stored>;
                static_assert(known, "umsrep: a head's loss has no kernels: on a device it needs a function enqueue, see train/cuda/losses.hpp");
                if constexpr (known)
                    if (of == i) enqueue(*machine_, exactly(loss), w, room);
            });
        });
        if (training) moving_.enqueue(block_.order(block), block_.moves(block), reports, static_cast<unsigned>(head_count));
    }
    /// A number that changes when somebody gives a loss other options, which what was captured does not know.
    std::uint64_t options_of_losses() {
        if constexpr (losses_known) // else enqueue_all says what is wrong
            if (!known_losses_ || !(*known_losses_ == losses_.all())) {
                known_losses_ = losses_.all();
                ++losses_version_;
            }
        return losses_version_;
    }

    /// Says what halted the run at a step, as the host's steps do.
    [[noreturn]] void fail(const begun& step, const std::array<kernel::loss_report, head_count>& reports) {
        staged_.reset();
        begun_.clear();
        machine_->synchronize();
        moving_.go_on();
        for (std::size_t h = 0; h < head_count; ++h)
            if (reports[h].refused != 0) refuse_label(h, *step.at, step.samples, step.first_id);
        throw_not_finite(step.number, step.first_id);
    }
    /// Lets the loss itself say what is wrong with its targets.
    [[noreturn]] void refuse_label(std::size_t h, parcel& s, std::size_t samples, const std::string& first_id) {
        const shape logits = model_->network()[model_->network().heads[h].logits].out, target = block_.target_of(h);
        data::batch b;
        b.ids.assign(samples, first_id);
        b.heads.resize(head_count);
        data::batch::labels& labels = b.heads[h];
        labels.values = data::uninitialized(samples, target);
        // Not moved, if they shall be: averages and votes of good targets are good ones.
        std::copy_n(block_.target(s.host.address(), h), labels.values.size(), labels.values.data());
        labels.present.assign(block_.present(s.host.address(), h), block_.present(s.host.address(), h) + samples);
        std::vector<float> zeros(samples * static_cast<std::size_t>(logits.size()));
        losses_.evaluate(static_cast<int>(h), b, {zeros.data(), static_cast<int>(samples), logits}, {}, 1);
        throw label_error("head '" + std::string(model_->network().heads[h].name) + "', batch that begins with '" + first_id + "'",
                          "targets that its loss knows", "others");
    }

    Model* model_;
    session<Machine, P>* session_;
    Machine* machine_;
    parameter_store<Machine, P>* store_;
    Optimizer optimizer_;
    std::vector<double> head_weights_;
    seed random_;
    std::optional<optim::ema> ema_;
    std::uint64_t heads_;
    int capacity_;
    head_losses<Model> losses_;
    mutable gradient_store<Machine, P> gradients_;
    device_optimizer<Machine, P, Optimizer> moving_;
    step_block block_;
    typename Machine::memory input_, reports_;
    std::vector<parcel> parcels_;
    std::uint64_t next_parcel_ = 0;
    std::vector<kind> turns_, validations_;
    std::optional<begun> staged_;
    std::deque<begun> begun_;
    std::vector<double> loss_;
    loss_scaling scaling_{false, static_cast<double>(device_optimizer<Machine, P, Optimizer>::first_loss_scale)};
    mutable std::vector<float> gradients_on_host_;
    std::optional<typename head_losses<Model>::tuple> known_losses_;
    std::uint64_t losses_version_ = 0;
};

} // namespace umsrep::cuda
