// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <umsrep/backend/cuda/kernel/optimizer.cuh>
#include <umsrep/backend/cuda/parameter_store.hpp>
#include <umsrep/optim/adam.hpp>
#include <umsrep/optim/adamw.hpp>
#include <umsrep/optim/sgd.hpp>
#include <umsrep/train/cuda/trained_tensors.hpp>
#include <umsrep/train/l2_sp_start.hpp>

namespace umsrep::cuda {

/// An optimiser on a device: its moments, the weights' average, L2-SP's start, each part's count of updates, the loss scale. `enqueue`
/// gives the machine one step, after the gradients; nothing of it is known to the host until it asks.
template <class Machine, precision P, optim::optimizer Optimizer>
class device_optimizer {
    using stored = stored_type<P>;
    static constexpr bool is_adam = std::is_same_v<Optimizer, optim::adam> || std::is_same_v<Optimizer, optim::adamw>;
    static_assert(is_adam || std::is_same_v<Optimizer, optim::sgd>, "umsrep: on a device there are kernels for adam, adamw and sgd only");

public:
    /// Only numbers of 16 bits with few bits of exponent need their losses scaled. Its first value and how often it grows are PyTorch's.
    static constexpr bool scales_loss = P == precision::fp16;
    static constexpr float first_loss_scale = scales_loss ? 65536.0f : 1.0f;
    static constexpr unsigned growth_interval = scales_loss ? 2000 : 0;

    /// All must outlive this. `parameters`: the model's on the host, where L2-SP may begin.
    device_optimizer(Machine& m, const graph& g, const parameter_store<Machine, P>& store, const gradient_store<Machine, P>& gradients,
                     const Optimizer& optimizer, int first_stage, const train_options& o, std::span<const float> parameters)
        : machine_{&m},
          store_{&store},
          optimizer_{optimizer},
          clip_norm_{o.clip_norm},
          tensors_{g, store.layout(), first_stage, o},
          parts_count_{static_cast<unsigned>(g.stage_count() + g.head_count())} {
        for (auto& moment : moments_) moment = zeros(floats());
        if (o.average) average_ = zeros(floats());
        if (o.l2_sp) keep_start(g, *o.l2_sp, parameters);
        parts_ = zeros(parts_count_ * sizeof(kernel::part_state));
        state_ = zeros(sizeof(kernel::step_state));
        kernel::step_state first{};
        first.loss_scale = first_loss_scale;
        m.upload(state_.address(), &first, sizeof first);
        make_tables(g, gradients);
        m.synchronize();
    }

    const trained_tensors& tensors() const { return tensors_; }
    unsigned parts() const { return parts_count_; }
    kernel::step_state* state() const { return static_cast<kernel::step_state*>(state_.address()); }
    std::int64_t moment_bytes() const { return static_cast<std::int64_t>(moments_.size() * floats()); }

    /// One step. `moves`: of each part, 0 where it stays. `reports`: of the losses of this step.
    void enqueue(const kernel::step_order* order, const kernel::u32* moves, const kernel::loss_report* reports, unsigned report_count) {
        auto* const squares = static_cast<double*>(squares_.address());
        const kernel::chunk *const of_matrices = table(0), *const of_vectors = table(chunks_[0]);
        machine_->launch(kernel::gradient_squares<stored>{chunks_[0], of_matrices, moves, state(), pull_, squares});
        machine_->launch(kernel::gradient_squares<float>{chunks_[1], of_vectors, moves, state(), pull_, squares + chunks_[0]});
        machine_->launch(kernel::prepare_step{chunks_[0] + chunks_[1], report_count, squares, reports, clip_norm_, growth_interval, state()});
        auto* const parts = static_cast<kernel::part_state*>(parts_.address());
        double beta1 = 0, beta2 = 0;
        if constexpr (is_adam) beta1 = optimizer_.beta1, beta2 = optimizer_.beta2;
        machine_->launch(kernel::advance_parts{parts_count_, moves, order, beta1, beta2, state(), parts});
        const kernel::step_view step{moves, order, state(), parts, pull_};
        move<stored>(chunks_[0], of_matrices, step);
        move<float>(chunks_[1], of_vectors, step);
        if (average_.bytes() == 0) return;
        for_each_stretch([&](float* weights, float* average, kernel::u32 size) {
            machine_->launch(kernel::move_average{size, weights, order, state(), average});
        });
    }

    /// Exchanges the weights with their average, where there is one. What layers read has to follow: parameter_store::enqueue_copies.
    void enqueue_swap() {
        if (average_.bytes() == 0) return;
        for_each_stretch([&](float* weights, float* average, kernel::u32 size) { machine_->launch(kernel::swap_values{size, weights, average}); });
    }

    /// Shows all of its state to an archive, in the host's order; see trainer::archive. Waits for the device.
    template <class Archive>
    void archive(Archive& a) {
        for (std::size_t i = 0; i < moments_.size(); ++i) archive_floats(a, "moment." + std::to_string(i), moments_[i]);
        if (average_.bytes() != 0) archive_floats(a, "average", average_);
        if (!start_.empty()) {
            a.values("l2_sp.start", std::span<float>(start_));
            upload_start();
        }
        std::vector<kernel::part_state> parts(parts_count_);
        machine_->download(parts.data(), parts_.address(), parts_.bytes());
        machine_->synchronize();
        std::vector<std::int64_t> updates(parts.size());
        std::transform(parts.begin(), parts.end(), updates.begin(), [](const auto& p) { return static_cast<std::int64_t>(p.updates); });
        a.values("updates", std::span<std::int64_t>(updates));
        for (std::size_t i = 0; i < parts.size(); ++i) parts[i].updates = static_cast<kernel::u64>(updates[i]);
        machine_->upload(parts_.address(), parts.data(), parts_.bytes());
        if constexpr (scales_loss) archive_scale(a);
        machine_->synchronize();
    }

    /// What the last step found, for the host. Waits for the device.
    kernel::step_state download_state() const {
        kernel::step_state s{};
        machine_->download(&s, state_.address(), sizeof s);
        machine_->synchronize();
        return s;
    }
    /// Steps count again after one that halted the run.
    void go_on() {
        kernel::step_state s = download_state();
        s.halted = 0;
        machine_->upload(state_.address(), &s, sizeof s);
        machine_->synchronize();
    }

private:
    using memory = typename Machine::memory;

    std::size_t floats() const { return static_cast<std::size_t>(tensors_.size()) * sizeof(float); }
    memory zeros(std::size_t bytes) {
        memory m = machine_->allocate(bytes);
        machine_->zero(m.address(), bytes);
        return m;
    }
    static float* data(const memory& m) { return static_cast<float*>(m.address()); }
    const kernel::chunk* table(unsigned first) const { return static_cast<const kernel::chunk*>(table_.address()) + first; }

    /// f(weights, average, size) for the matrices and for the vectors that train.
    template <class F>
    void for_each_stretch(F f) {
        const parameter_layout& l = store_->layout();
        float* const masters = store_->masters();
        if (tensors_.matrices() > 0)
            f(masters + tensors_.first_matrix(), data(average_), static_cast<kernel::u32>(tensors_.matrices()));
        if (tensors_.vectors() > 0)
            f(masters + l.matrices() + tensors_.first_vector(), data(average_) + tensors_.matrices(),
              static_cast<kernel::u32>(tensors_.vectors()));
    }

    template <class G>
    void move(unsigned chunks, const kernel::chunk* chunk_table, const kernel::step_view& step) {
        const auto f = [](double v) { return static_cast<float>(v); };
        const Optimizer& o = optimizer_;
        if constexpr (is_adam)
            machine_->launch(kernel::adam<G, G>{chunks, chunk_table, step, f(1 - o.beta1), f(1 - o.beta2), f(o.beta2), f(o.epsilon),
                                                o.weight_decay, std::is_same_v<Optimizer, optim::adamw>});
        else machine_->launch(kernel::sgd<G, G>{chunks, chunk_table, step, f(o.momentum), o.nesterov, o.weight_decay});
    }

    void make_tables(const graph& g, const gradient_store<Machine, P>& gradients) {
        std::vector<kernel::chunk> table;
        for (const bool matrices : {true, false}) {
            const std::size_t before = table.size();
            for (const trained_tensor& t : tensors_.all()) {
                if (trained_tensors::is_matrix(*t.tensor) != matrices) continue;
                const auto place = tensors_.place(*t.tensor);
                const std::size_t of_gradient = matrices ? sizeof(stored) : sizeof(float);
                void* const read = store_->read_by_layers(*t.tensor);
                float* const master = store_->master(*t.tensor);
                for (std::ptrdiff_t first = 0; first < t.tensor->size(); first += kernel::chunk_length) {
                    kernel::chunk c{};
                    c.w = master + first;
                    c.g = static_cast<const std::byte*>(gradients.address(*t.tensor)) + static_cast<std::size_t>(first) * of_gradient;
                    c.m = data(moments_[0]) + place + first;
                    if constexpr (is_adam) c.v = data(moments_[1]) + place + first;
                    if (read != master) c.copy = static_cast<stored*>(read) + first;
                    if (start_on_device_.bytes() != 0 && t.tensor->owner < g.stage_count()) c.start = data(start_on_device_) + place + first;
                    c.count = static_cast<kernel::u32>(std::min<std::ptrdiff_t>(kernel::chunk_length, t.tensor->size() - first));
                    c.part = static_cast<kernel::u32>(t.tensor->owner);
                    c.lr_scale = t.lr_scale;
                    c.decay_scale = t.decay_scale;
                    table.push_back(c);
                }
            }
            chunks_[matrices ? 0 : 1] = static_cast<unsigned>(table.size() - before);
        }
        table_ = machine_->allocate(table.size() * sizeof(kernel::chunk));
        squares_ = machine_->allocate(table.size() * sizeof(double));
        machine_->upload(table_.address(), table.data(), table_.bytes());
        machine_->synchronize();
    }

    void keep_start(const graph& g, const l2_sp& o, std::span<const float> parameters) {
        start_.resize(static_cast<std::size_t>(g.parameters));
        fill_start(o, parameters, std::span<float>(start_));
        pull_ = static_cast<float>(o.strength);
        start_on_device_ = zeros(floats());
        upload_start();
    }
    void upload_start() {
        std::vector<float> packed(static_cast<std::size_t>(tensors_.size()));
        const auto first = static_cast<std::size_t>(tensors_.first_parameter());
        tensors_.for_each_element([&](std::size_t host, std::size_t device) { packed[device] = start_[first + host]; });
        machine_->upload(start_on_device_.address(), packed.data(), floats());
        machine_->synchronize();
    }

    template <class Archive>
    void archive_floats(Archive& a, const std::string& name, const memory& m) {
        std::vector<float> packed(static_cast<std::size_t>(tensors_.size()));
        machine_->download(packed.data(), m.address(), floats());
        machine_->synchronize();
        std::size_t size = 0;
        tensors_.for_each_element([&](std::size_t host, std::size_t) { size = std::max(size, host + 1); });
        std::vector<float> values(size);
        tensors_.for_each_element([&](std::size_t host, std::size_t device) { values[host] = packed[device]; });
        a.values(name, std::span<float>(values));
        tensors_.for_each_element([&](std::size_t host, std::size_t device) { packed[device] = values[host]; });
        machine_->upload(m.address(), packed.data(), floats());
        machine_->synchronize();
    }
    template <class Archive>
    void archive_scale(Archive& a) {
        kernel::step_state s = download_state();
        double scale = static_cast<double>(s.loss_scale);
        std::int64_t since = s.steps_since_scale, skipped = static_cast<std::int64_t>(s.skipped);
        a.values("loss scale", std::span<double>(&scale, 1));
        a.number("loss scale.steps", since);
        a.number("loss scale.skipped", skipped);
        s.loss_scale = static_cast<float>(scale);
        s.steps_since_scale = static_cast<kernel::u32>(since);
        s.skipped = static_cast<kernel::u64>(skipped);
        machine_->upload(state_.address(), &s, sizeof s);
        machine_->synchronize();
    }

    Machine* machine_;
    const parameter_store<Machine, P>* store_;
    Optimizer optimizer_;
    double clip_norm_;
    trained_tensors tensors_;
    unsigned parts_count_;
    float pull_ = 0;
    std::array<memory, static_cast<std::size_t>(Optimizer::moments)> moments_;
    memory average_, start_on_device_, parts_, state_, table_, squares_;
    std::vector<float> start_; ///< of L2-SP: every parameter as it was
    std::array<unsigned, 2> chunks_{}; ///< of matrices, of vectors
};

} // namespace umsrep::cuda
