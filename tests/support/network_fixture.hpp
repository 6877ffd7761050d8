// SPDX-License-Identifier: MIT
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <tests/support/bits.hpp>
#include <tests/support/fixture.hpp>
#include <tests/support/tiny.hpp>

/// PyTorch's run of the network `tiny`: tests/fixtures/make_network.py.
namespace umsrep::test {

/// Gives a model the parameters that PyTorch began with.
template <class Model>
void start_as_in(const io::safetensors& f, Model& m) {
    for (auto& t : m.tensors()) {
        const auto values = f.values<typename Model::scalar>("initial/" + t.name);
        REQUIRE(f.shape("initial/" + t.name) == t.shape);
        std::copy(values.begin(), values.end(), t.values.begin());
    }
}

inline data::batch batch_of(const io::safetensors& f) {
    data::batch b;
    const auto fill = [&](const std::string& name, std::array<std::size_t, 4> shape) {
        auto t = xt::xtensor<float, 4>::from_shape(shape);
        const auto values = f.values<float>(name);
        REQUIRE(values.size() == t.size());
        std::copy(values.begin(), values.end(), t.data());
        return t;
    };
    b.images = fill("input", {4, 1, 16, 16});
    b.heads = {{fill("target/denoise", {4, 1, 16, 16}), std::vector<std::uint8_t>(4, 1)},
               {fill("target/lungs", {4, 1, 16, 16}), std::vector<std::uint8_t>(4, 1)},
               {fill("target/finding", {4, 1, 1, 1}), std::vector<std::uint8_t>(4, 1)}};
    b.ids.assign(4, "fixture");
    b.groups.assign(4, "");
    return b;
}

/// How far from PyTorch a backend may be: losses relatively, tensors relative to their largest value.
struct pytorch_tolerance {
    double loss = 1e-6, later_loss = 1e-5, gradient = 1e-5, parameter = 1e-5;
};

/// Losses and gradients of the first step, losses of five AdamW steps, parameters and statistics after them.
template <class Backend>
void check_training_against_pytorch(pytorch_tolerance within) {
    const auto f = fixture("network");
    model<tiny, Backend> m{seed{1}, batch{4}};
    start_as_in(f, m);
    const data::batch b = batch_of(f);
    trainer t{m, joint<all>{}, optim::adamw{.lr = 1e-3, .weight_decay = 1e-2}, batch{4}};

    const std::vector<double> loss = t.step(b);
    const char* heads[] = {"denoise", "lungs", "finding"};
    for (std::size_t h = 0; h < 3; ++h)
        CHECK(loss[h] == doctest::Approx(f.values<double>(std::string("loss/") + heads[h])[0]).epsilon(within.loss));
    for (const auto& g : t.gradients()) {
        CAPTURE(g.name);
        CHECK(relative_error(g.values, f.values<double>("gradient/" + g.name)) <= within.gradient);
    }
    std::size_t in_pytorch = 0;
    for (const std::string& name : f.names()) in_pytorch += name.starts_with("gradient/") ? 1U : 0U;
    CHECK(t.gradients().size() == in_pytorch);

    const auto sums = f.values<double>("loss_after");
    for (std::size_t step = 1; step < 5; ++step) {
        const std::vector<double> now = t.step(b);
        CHECK(now[0] + now[1] + now[2] == doctest::Approx(sums[step]).epsilon(within.later_loss));
    }
    for (const auto& p : m.tensors()) {
        CAPTURE(p.name);
        CHECK(relative_error(p.values, f.values<double>("after/" + p.name)) <= within.parameter);
    }
}

} // namespace umsrep::test
