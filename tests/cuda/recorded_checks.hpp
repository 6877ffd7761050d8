// SPDX-License-Identifier: MIT
#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <utility>

#include <tests/cuda/training_checks.hpp>
#include <umsrep/data/geometry.hpp>
#include <umsrep/data/intensity.hpp>
#include <umsrep/data/noise.hpp>

/// Training whose pixels are changed on the device, beside training whose loader changes them.
namespace umsrep::test {

inline auto changing(tiny_dataset d) {
    return data::transformed(d, data::random_affine{.rotation = 15, .shift = 0.1f, .scale = 0.1f, .probability = 0.8f},
                             data::random_flip{0.5f, 0.5f}, data::random_intensity{.probability = 0.6f, .alongside = {"denoise"}},
                             data::gaussian_noise{.sigma = {0.01f, 0.1f}, .head = "", .probability = 0.7f});
}
template <class Model>
data::loader changing_loader(const Model& m, bool later, tiny_dataset d = {.count = 10, .labels = some_labels}, int threads = 0) {
    return {changing(d), 4, m.image(), head_specs(m), {.random = seed{9}, .threads = threads, .later = later}};
}

/// A run in fp32 whose device changes pixels is the host's whose loader does, and nearly to the bit that of a device whose loader does.
template <class Machine, class Strategy>
void check_recorded_run(Strategy s) {
    const auto run = [&](auto& m, bool later, int threads) {
        auto samples = changing_loader(m, later, {.count = 10, .labels = some_labels}, threads);
        auto valid = changing_loader(m, later, {.count = 7});
        return fit(m, s, samples, valid, calm_adamw, {.epochs = 4, .keep_best = false});
    };
    dropping_on_host h{seed{1}, batch{4}};
    dropping_on<cuda::precision::fp32, Machine> d{seed{1}, batch{4}}, computed{seed{1}, batch{4}};
    const history expected = run(h, false, 0), got = run(d, true, 2);
    run(computed, false, 0);
    for (std::size_t e = 0; e < 4; ++e) {
        INFO("epoch " << e);
        CHECK(relative_error(got.epochs.at(e).train_loss, expected.epochs.at(e).train_loss) < 1e-4);
        CHECK(relative_error(got.epochs.at(e).valid_loss, expected.epochs.at(e).valid_loss) < 1e-3);
    }
    CHECK(relative_error(std::as_const(d).parameters(), std::as_const(h).parameters()) < 1e-3);
    CHECK(relative_error(std::as_const(d).parameters(), std::as_const(computed).parameters()) < 1e-4);
    auto& machine = d.on_device().machine();
    if constexpr (requires { machine.bodies(); })
        CHECK(machine.bodies() > computed.on_device().machine().bodies()); // it was the device
}

} // namespace umsrep::test
