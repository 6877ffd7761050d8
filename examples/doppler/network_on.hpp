// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <umsrep/io/weights.hpp>

#include "network.hpp"
#include "state.hpp"

namespace doppler {

/// The model of a session on one backend.
template <class Backend>
class network_on : public session::state {
public:
    network_on(int size, std::uint64_t seed, int threads)
        : net_{umsrep::seed{seed}, umsrep::extent{size, size}, umsrep::batch{16}, umsrep::threads{threads}} {}

    umsrep::shape image() const override { return net_.image(); }
    std::string computed_by() const override { return net_.computed_by(); }
    std::vector<umsrep::data::head_spec> targets() const override { return umsrep::head_specs(net_); }
    predictions predict(const xt::xtensor<float, 4>& images) override {
        auto p = net_.predict(images);
        return {std::move(p.outputs[0]), std::move(p.outputs[1]), std::move(p.outputs[2]), std::move(p.outputs[3])};
    }
    umsrep::history train(const training& how, umsrep::data::loader& samples, umsrep::data::loader& valid) override {
        const auto updates = static_cast<std::int64_t>(samples.batches_per_epoch()) * how.epochs;
        const umsrep::train_options options{.random = umsrep::seed{1},
                                            .schedule = umsrep::schedule::cosine{.warmup = updates / 20, .minimum = 0.01},
                                            .head_weights = how.head_weights,
                                            .clip_norm = 5};
        // A folder may have no labels for some heads; there is no clean image of a real spectrogram.
        const umsrep::fit_options run{.epochs = how.epochs, .allow_unlabelled_heads = true, .on_epoch = how.on_epoch};
        const umsrep::optim::adamw optimizer{.lr = how.learning_rate, .weight_decay = 0.01};
        if (how.strategy == "joint") return umsrep::fit(net_, umsrep::joint<>{}, samples, &valid, optimizer, run, options);
        if (how.strategy == "alternating") return umsrep::fit(net_, umsrep::alternating<>{}, samples, &valid, optimizer, run, options);
        throw umsrep::option_error("strategy", "joint or alternating", "'" + how.strategy + "'");
    }
    void load(const std::filesystem::path& file) override { umsrep::io::load(net_, file); }
    void save(const std::filesystem::path& file) const override {
        umsrep::io::save(net_, file, {{size_note, std::to_string(net_.image().h)}});
    }

private:
    umsrep::model<network, Backend> net_;
};

} // namespace doppler
