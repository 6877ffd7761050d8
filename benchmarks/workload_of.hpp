// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "reference_net.hpp"
#include "workload.hpp"

namespace benchmarks {

using net = reference_net::network<umsrep::dynamic>;

/// Images and targets in [0, 1]: noise to denoise, random masks, random findings.
inline umsrep::data::batch random_batch(std::size_t n, std::size_t size) {
    umsrep::random_stream random(umsrep::seed{1}, "benchmark");
    const auto uniform = [&](std::array<std::size_t, 4> shape) {
        auto t = xt::xtensor<float, 4>::from_shape(shape);
        for (float& v : t) v = random.uniform();
        return t;
    };
    umsrep::data::batch b;
    b.images = uniform({n, 1, size, size});
    auto clean = uniform({n, 1, size, size}), mask = uniform({n, 1, size, size}), kind = uniform({n, 1, 1, 1});
    for (float& v : mask) v = v < 0.5f ? 0.0f : 1.0f;
    for (float& v : kind) v = static_cast<float>(static_cast<int>(v * 3));
    const std::vector<std::uint8_t> labelled(n, 1);
    b.heads = {{clean, labelled}, {mask, labelled}, {kind, labelled}};
    b.ids.assign(n, "random");
    return b;
}

template <class Backend>
class workload_on : public workload {
public:
    const umsrep::graph& network() const { return model_.network(); }

protected:
    explicit workload_on(const step_options& o)
        : model_{umsrep::seed{1}, umsrep::extent{o.size}, umsrep::batch{o.batch}, umsrep::threads{o.threads}},
          data_{random_batch(static_cast<std::size_t>(o.batch), static_cast<std::size_t>(o.size))},
          head_{model_.network().find_head(o.heads)} {
        if (head_ < 0 && o.heads != "all") throw umsrep::option_error("--heads", "all or a head of the network", o.heads);
        const umsrep::graph& g = model_.network();
        for (const umsrep::node& n : g.nodes)
            if (n.owner < g.stage_count() || head_ < 0 || n.owner == g.stage_count() + head_) parameters += n.weight.size + n.bias.size;
    }

    std::uint64_t heads() const {
        return head_ < 0 ? (std::uint64_t{1} << model_.network().head_count()) - 1 : std::uint64_t{1} << head_;
    }

    umsrep::model<net, Backend> model_;
    umsrep::data::batch data_;
    int head_; ///< -1: all of them
};

template <class Backend>
class training_step final : public workload_on<Backend> {
    using base = workload_on<Backend>;
    using strategy = umsrep::joint<umsrep::all>;

public:
    explicit training_step(const step_options& o)
        : base{o}, trainer_{this->model_, strategy{}, umsrep::optim::adamw{}, umsrep::batch{o.batch}, {}, this->heads()} {
        const umsrep::graph& g = this->model_.network();
        const umsrep::mode what = strategy::value(g.stage_count(), this->heads());
        this->macs = o.batch * umsrep::macs(g, umsrep::make_plan(g, what, Backend::storage));
        this->planned_bytes = trainer_.allocated().total();
    }
    void run() override { trainer_.step(this->data_); }

private:
    umsrep::trainer<umsrep::model<net, Backend>, umsrep::optim::adamw> trainer_;
};

template <class Backend>
class prediction_run final : public workload_on<Backend> {
    using base = workload_on<Backend>;

public:
    explicit prediction_run(const step_options& o) : base{o} {
        const umsrep::graph& g = this->model_.network();
        if (this->head_ >= 0) this->model_.predict_only(this->head_);
        umsrep::mode what = umsrep::infer::value(g.stage_count());
        what.heads = this->heads();
        const umsrep::execution_plan plan = umsrep::make_plan(g, what, Backend::storage);
        std::int64_t elements = std::int64_t{g.parameters} + g.statistics + (plan.arena + umsrep::border_of(g, plan, Backend::storage)) * o.batch;
        if constexpr (requires { Backend::state_size(g[0], false, false); }) // a device knows only when it has asked its libraries
            elements += umsrep::state_of(g, plan, Backend::state_size) +
                        umsrep::workspace_of(g, plan, Backend::workspace_size, o.batch, o.threads) +
                        umsrep::worker_memory_of<Backend>(g, plan, o.batch, o.threads) * o.threads;
        this->macs = o.batch * umsrep::macs(g, plan);
        this->planned_bytes = elements * Backend::scalar_bytes;
        result_ = this->model_.predict(this->data_.images);
    }
    void run() override { this->model_.predict_into(this->data_.images, result_); }

private:
    umsrep::prediction<net> result_;
};

template <class Backend>
std::unique_ptr<workload> make_workload(const step_options& o) {
    if (o.what == "train") return std::make_unique<training_step<Backend>>(o);
    return std::make_unique<prediction_run<Backend>>(o);
}

} // namespace benchmarks
