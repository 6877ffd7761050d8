// SPDX-License-Identifier: MIT
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include <tests/support/bits.hpp>
#include <tests/support/tiny.hpp>
#include <umsrep/train/cuda/training.hpp>

/// Training on a device beside training by the reference backend: the same network, weights and batches.
namespace umsrep::test {

/// What `tiny` has, and dropout in the encoder and in a head.
struct dropping_encoder : encoder<image<1, 16, 16>,
    stage<"e1", block<4>>,
    stage<"e2", max_pool<2>, block<8>, dropout<0.1>>,
    stage<"e3", max_pool<2>, block<16>>> {};
struct dropping : network<dropping_encoder,
    head<"denoise", tiny_decoder, loss::l1_ms_ssim>,
    head<"lungs", tiny_decoder, loss::dice_bce>,
    head<"finding", seq<global_avg_pool, dropout<0.25>, linear<3>>, loss::cross_entropy>> {};

template <cuda::precision P, class Machine>
using dropping_on = model<dropping, on_cuda<P, Machine>>;
using dropping_on_host = model<dropping, reference<float>>;

/// Labels that come and go: every head has them in some samples of the first batch; the third batch has no finding.
inline unsigned some_labels(std::size_t i) { return i >= 8 ? 3U : i % 3 == 0 ? 7U : i % 3 == 1 ? 6U : 5U; }

/// An optimiser that does not make much of gradients that are nearly nothing, which differ by rounding.
inline constexpr optim::adamw calm_adamw{.lr = 3e-3, .epsilon = 1e-3, .weight_decay = 0.1};
inline constexpr optim::adam calm_adam{.lr = 3e-3, .epsilon = 1e-3, .weight_decay = 0.01};
inline constexpr optim::sgd calm_sgd{.lr = 0.02, .momentum = 0.9, .nesterov = true, .weight_decay = 0.01};

/// How far apart the two may end: losses, as a share; weights and statistics, in units of the largest. In fp32 roundings leave 1e-6. More
/// is left for a ReLU whose input is so near to 0 that the two take other sides of it, where gradients jump (by a quarter, in one seen):
/// starting weights that differ by 1e-6 of themselves do that for some seeds of dropout; roundings alone did for none of 31.
struct training_tolerance {
    double loss, weights;
};
template <cuda::precision P>
inline constexpr training_tolerance tolerance_of = {1e-4, 2e-4};
template <>
inline constexpr training_tolerance tolerance_of<cuda::precision::bf16> = {0.06, 0.05};
template <>
inline constexpr training_tolerance tolerance_of<cuda::precision::fp16> = {0.03, 0.03};

/// Ten steps, the last of each epoch on a smaller batch. Losses step by step, then weights and running statistics.
template <cuda::precision P, class Machine, class Strategy, class Optimizer>
void check_ten_steps(Strategy s, const Optimizer& optimizer, const train_options& how = {},
                     unsigned (*labels)(std::size_t) = [](std::size_t) { return 7U; }) {
    dropping_on_host h{seed{1}, batch{4}};
    dropping_on<P, Machine> d{seed{1}, batch{4}};
    REQUIRE(same_bits(std::as_const(h).parameters(), std::as_const(d).parameters()));
    auto samples = tiny_loader(h, {10, labels});
    trainer on_host{h, s, optimizer, batch{4}, how};
    trainer on_device{d, s, optimizer, batch{4}, how};
    std::vector<std::vector<float>> before; // with the sets of statistics that the strategy adds
    for (const auto& t : std::as_const(h).tensors()) before.push_back(copy(t.values));
    int steps = 0;
    for (std::uint64_t epoch = 0; steps < 10; ++epoch) {
        samples.start(epoch);
        while (const auto b = samples.next()) {
            if (++steps > 10) break;
            const std::vector<double> expected = on_host.step(*b), got = on_device.step(*b);
            for (std::size_t head = 0; head < 3; ++head) {
                INFO("step " << steps << ", head " << head);
                REQUIRE(std::isnan(got[head]) == std::isnan(expected[head]));
                if (!std::isnan(expected[head])) CHECK(got[head] == doctest::Approx(expected[head]).epsilon(tolerance_of<P>.loss));
            }
        }
    }
    CHECK(relative_error(std::as_const(d).parameters(), std::as_const(h).parameters()) < tolerance_of<P>.weights);
    CHECK(relative_error(std::as_const(d).statistics(), std::as_const(h).statistics()) < 5 * tolerance_of<P>.weights);
    // What is frozen stays, to the bit.
    const auto on_the_host = std::as_const(h).tensors(), after = std::as_const(d).tensors();
    REQUIRE(on_the_host.size() == before.size());
    REQUIRE(after.size() == before.size());
    for (std::size_t i = 0; i < after.size(); ++i)
        if (same_bits(before[i], on_the_host[i].values)) {
            INFO(after[i].name);
            CHECK(same_bits(before[i], after[i].values));
        }
}

/// Every strategy, optimiser and option once.
template <cuda::precision P, class Machine>
void check_all_kinds_of_steps() {
    SUBCASE("joint") { check_ten_steps<P, Machine>(joint<all>{}, calm_adamw); }
    SUBCASE("joint, weighed and clipped") {
        check_ten_steps<P, Machine>(joint<all>{}, calm_adam, {.head_weights = {1, 0.5, 2}, .clip_norm = 0.5});
    }
    SUBCASE("labels that are missing") { check_ten_steps<P, Machine>(joint<all>{}, calm_adamw, {}, some_labels); }
    SUBCASE("alternating") { check_ten_steps<P, Machine>(alternating<all>{}, calm_adamw, {}, some_labels); }
    SUBCASE("frozen") { check_ten_steps<P, Machine>(joint<frozen>{}, calm_sgd); }
    SUBCASE("last<1>, frozen statistics") { check_ten_steps<P, Machine>(joint<last<1>, norm_statistics::frozen>{}, calm_sgd); }
    SUBCASE("last<2>, adaptive statistics") { check_ten_steps<P, Machine>(alternating<last<2>, norm_statistics::adaptive>{}, calm_adamw); }
    SUBCASE("statistics per task") { check_ten_steps<P, Machine>(alternating<all, norm_statistics::per_task>{}, calm_adamw); }
    SUBCASE("layer decay, no decay of norms, L2-SP, average") {
        train_options how{.layer_decay = 0.5, .decay_norms_and_biases = false};
        how.l2_sp = l2_sp{.strength = 0.3};
        how.average = optim::ema{.decay = 0.5};
        check_ten_steps<P, Machine>(joint<all>{}, calm_adamw, how);
    }
    SUBCASE("checkpointed") { check_ten_steps<P, Machine>(checkpointed<joint<all>>{}, calm_adamw); }
}

} // namespace umsrep::test
