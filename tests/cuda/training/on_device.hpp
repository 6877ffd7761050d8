// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include <tests/cuda/host_machine.hpp>
#include <tests/cuda/training_checks.hpp>
#include <tests/support/temporary_folder.hpp>
#include <umsrep/io/checkpoint.hpp>

/// Training on the machine that the host plays.
namespace umsrep::test {

template <cuda::precision P>
using on_device = dropping_on<P, host_machine>;

template <class Model>
std::vector<float> parameters_of(const Model& m) {
    return copy(m.parameters());
}

/// Saved in on_batch at a batch and stopped there, a run goes on, in another trainer or in its own, to the bits of one that was left alone.
template <class LoaderOf>
void check_stopped_run(LoaderOf loader_of, int epochs, int stop_at) {
    const temporary_folder folder;
    struct stopped {};
    on_device<cuda::precision::bf16> alone{seed{1}, batch{4}}, first{seed{1}, batch{4}}, second{seed{2}, batch{4}};
    auto samples = loader_of(alone);
    const fit_options whole{.epochs = epochs, .keep_best = false};
    trainer a{alone, joint<all>{}, calm_adamw, batch{4}}, b{first, joint<all>{}, calm_adamw, batch{4}};
    trainer c{second, joint<all>{}, calm_adamw, batch{4}};
    a.fit(samples, nullptr, whole);
    fit_options stops = whole;
    int told = 0;
    stops.on_batch = [&](const batch_report&) {
        if (++told != stop_at) return;
        io::save_checkpoint(b, folder / "c", "run");
        throw stopped{};
    };
    CHECK_THROWS_AS(b.fit(samples, nullptr, stops), stopped);
    io::load_checkpoint(c, folder / "c", "run");
    c.fit(samples, nullptr, whole);
    CHECK(same_bits(parameters_of(alone), parameters_of(second)));
    b.fit(samples, nullptr, whole);
    CHECK(same_bits(parameters_of(alone), parameters_of(first)));
}

} // namespace umsrep::test
