// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <umsrep/io/weights.hpp>

#include "network.hpp"
#include "state.hpp"

namespace xray {

/// The models of a session on one backend. `train` is defined in train_strategy.hpp, to be compiled beside the rest.
template <class Backend>
class networks : public session::state {
public:
    networks(int size, std::uint64_t seed, int threads)
        : models_{umsrep::model<xray::network, Backend>{umsrep::seed{seed}, umsrep::extent{size, size}, umsrep::batch{capacity},
                                                        umsrep::threads{threads}}} {}

    const umsrep::graph& network() const override { return models_.of(0).network(); }
    umsrep::shape image() const override { return models_.of(0).image(); }
    std::vector<umsrep::data::head_spec> targets() const override { return umsrep::head_specs(models_.of(0)); }
    std::string computed_by() const override { return models_.of(0).computed_by(); }
    std::size_t models() const override { return models_.size(); }
    std::vector<stored_tensor> tensors(std::size_t model) const override {
        std::vector<stored_tensor> all;
        for (const auto& t : std::as_const(models_.all()[model]).tensors()) all.push_back({t.name, t.shape, {t.values.begin(), t.values.end()}});
        return all;
    }

    predictions predict(const xt::xtensor<float, 4>& images) override {
        auto p = models_.predict(images);
        return {std::move(p.outputs[0]), std::move(p.outputs[1]), std::move(p.outputs[2])};
    }
    std::vector<umsrep::history> train(const training& how, umsrep::data::loader& samples, umsrep::data::loader& valid) override;

    void load(const std::filesystem::path& file) override { umsrep::io::load(models_.of(0), file); }
    void load_tasks(const std::filesystem::path& file, const std::vector<std::string>& prefixes) override {
        models_.part_ways();
        load_task<"denoise">(0, file, prefixes);
        load_task<"lungs">(1, file, prefixes);
        load_task<"finding">(2, file, prefixes);
    }
    void load_encoder(const std::filesystem::path& weights) override { umsrep::io::load<"encoder">(models_.of(0), weights); }

private:
    /// Loads the model of one task: the encoder and that head.
    template <umsrep::fixed_string Head>
    void load_task(std::size_t head, const std::filesystem::path& file, const std::vector<std::string>& prefixes) {
        auto& m = models_.of(static_cast<int>(head));
        umsrep::io::load<"encoder">(m, file, prefixes[head]);
        umsrep::io::load<Head>(m, file, prefixes[head]);
    }

    mutable umsrep::task_models<xray::network, Backend> models_; ///< which gives its models to be written only
};

} // namespace xray
