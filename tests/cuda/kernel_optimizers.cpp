// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include <tests/support/bits.hpp>
#include <umsrep/backend/cuda/kernel/kernels.cuh>
#include <umsrep/core/random.hpp>
#include <umsrep/optim/adam.hpp>
#include <umsrep/optim/adamw.hpp>
#include <umsrep/optim/clip.hpp>
#include <umsrep/optim/ema.hpp>
#include <umsrep/optim/parameter_group.hpp>
#include <umsrep/optim/sgd.hpp>

namespace umsrep::test::kernel_optimizers {

namespace kernel = cuda::kernel;
using kernel::bf16;
using kernel::fp16;
using kernel::map_on_host;
using kernel::reduce_on_host;

constexpr std::array<optim::parameter_group, 3> groups{{{0, 5000}, {5000, 5003, 0.5, 0.0}, {5003, 14'000, 0.25, 2.0}}};
constexpr std::size_t size = 14'000;

/// The parameters of a model in three groups, cut into chunks, and their gradients as G, times the loss scale.
template <class G, class C>
struct device_side {
    std::vector<float> w, m, v;
    std::vector<G> g;
    std::vector<C> copy;
    std::vector<kernel::chunk> table;
    std::vector<double> squares;
    std::vector<float> start;
    kernel::step_state state{};
    kernel::step_order order{};
    kernel::loss_report report{};
    std::vector<kernel::part_state> parts = std::vector<kernel::part_state>(2);
    std::vector<unsigned> moves{1, 1};
    float pull = 0;

    device_side() : w(size), m(size), v(size), g(size), copy(size), start(size) {
        for (const optim::parameter_group& group : groups)
            for (std::ptrdiff_t first = group.begin; first < group.end; first += kernel::chunk_length) {
                const auto i = static_cast<std::size_t>(first);
                const auto count = static_cast<unsigned>(std::min<std::ptrdiff_t>(kernel::chunk_length, group.end - first));
                table.push_back({&w[i], &g[i], &m[i], &v[i], &copy[i], &start[i], count, i < 5000 ? 0U : 1U,
                                 group.lr_scale, group.decay_scale});
            }
        squares.resize(table.size());
        state.loss_scale = 1;
        for (std::size_t i = 0; i < size; ++i) w[i] = static_cast<float>(std::sin(0.37 * static_cast<double>(i)));
    }

    unsigned chunks() const { return static_cast<unsigned>(table.size()); }

    kernel::step_view view() const { return {moves.data(), &order, &state, parts.data(), pull}; }
    void prepare(double max_norm, double beta1, double beta2, unsigned growth_interval = 0) {
        reduce_on_host(kernel::gradient_squares<G>{chunks(), table.data(), moves.data(), &state, pull, squares.data()});
        reduce_on_host(kernel::prepare_step{chunks(), 1, squares.data(), &report, max_norm, growth_interval, &state});
        map_on_host(kernel::advance_parts{2, moves.data(), &order, beta1, beta2, &state, parts.data()});
    }
    template <class Optimizer>
    void step(const Optimizer& o, double max_norm, unsigned growth_interval = 0) {
        prepare(max_norm, o.beta1, o.beta2, growth_interval);
        map_on_host(kernel::adam<G, C>{chunks(), table.data(), view(), static_cast<float>(1 - o.beta1), static_cast<float>(1 - o.beta2),
                                       static_cast<float>(o.beta2), static_cast<float>(o.epsilon), o.weight_decay, std::is_same_v<Optimizer, optim::adamw>});
    }
    void step(const optim::sgd& o, double max_norm) {
        prepare(max_norm, 0, 0);
        map_on_host(kernel::sgd<G, C>{chunks(), table.data(), view(), static_cast<float>(o.momentum), o.nesterov,
                                      o.weight_decay});
    }
};

/// Ten steps beside the project's optimiser in double; gradients are scaled as a loss in fp16 would be.
template <class G, class C, class Optimizer>
void check_ten_steps(const Optimizer& optimizer, double max_norm, float loss_scale) {
    device_side<G, C> device;
    device.state.loss_scale = loss_scale;
    device.order.lr = optimizer.lr;
    std::vector<double> w(device.w.begin(), device.w.end()), g(size), moment[2];
    std::array<std::span<double>, Optimizer::moments> state;
    for (std::size_t k = 0; k < state.size(); ++k) {
        moment[k].assign(size, 0);
        state[k] = moment[k];
    }
    random_stream random(seed{1}, "gradients");
    for (int step = 1; step <= 10; ++step) {
        for (std::size_t i = 0; i < size; ++i) {
            device.g[i] = kernel::number<G>::from(0.1f * random.normal() * loss_scale);
            g[i] = static_cast<double>(kernel::to_float(device.g[i]) / loss_scale);
        }
        const std::span<const double> gradient{g};
        const double norm = max_norm > 0 ? optim::clip_by_norm(std::span{g}, max_norm) : std::sqrt(optim::squared_norm(gradient));
        optim::update_groups(optimizer, std::span<const optim::parameter_group>{groups}, std::span{w}, gradient, state, step);
        device.step(optimizer, max_norm);
        CHECK(device.state.gradient_norm == doctest::Approx(norm).epsilon(1e-12));
    }
    for (const kernel::part_state& p : device.parts) CHECK(p.updates == 10);
    CHECK(device.state.skipped == 0);
    CHECK(relative_error(device.w, w) < 1e-6);
    CHECK(relative_error(device.m, moment[0]) < 1e-6);
    if constexpr (Optimizer::moments > 1) CHECK(relative_error(device.v, moment[1]) < 1e-6);
    for (std::size_t i = 0; i < size; ++i)
        REQUIRE(kernel::to_float(device.copy[i]) == kernel::to_float(kernel::number<C>::from(device.w[i])));
}

TEST_CASE("adam, adamw and sgd move parameters as the project's optimisers do, in groups, clipped, from scaled gradients") {
    for (const double max_norm : {0.0, 1.0, 1e6}) {
        CAPTURE(max_norm);
        check_ten_steps<float, float>(optim::adam{.lr = 1e-2, .weight_decay = 0.1}, max_norm, 1);
        check_ten_steps<bf16, bf16>(optim::adamw{.lr = 1e-2}, max_norm, 1);
        check_ten_steps<fp16, fp16>(optim::adamw{.lr = 3e-3, .weight_decay = 0.5}, max_norm, 4096);
        check_ten_steps<float, bf16>(optim::sgd{.lr = 0.05}, max_norm, 1);
        check_ten_steps<fp16, fp16>(optim::sgd{.lr = 0.05, .momentum = 0.9, .weight_decay = 0.01}, max_norm, 256);
        check_ten_steps<bf16, bf16>(optim::sgd{.lr = 0.05, .momentum = 0.9, .nesterov = true, .weight_decay = 0.01}, max_norm, 1);
    }
}

TEST_CASE("AdamW shrinks parameters to the bit as the project's does: by a factor that is taken in double and rounded once") {
    random_stream random(seed{2}, "rates");
    device_side<float, float> d;
    int otherwise = 0; // in floats
    for (int i = 0; i < 200; ++i) {
        const double lr = random.uniform(), decay = random.uniform();
        d.order.lr = lr;
        std::vector<float> expected = d.w, zeros(size), m(size), v(size);
        optim::update_groups(optim::adamw{.lr = lr, .weight_decay = decay}, std::span<const optim::parameter_group>{groups},
                             std::span{expected}, zeros, {m, v}, 1);
        d.step(optim::adamw{.lr = lr, .weight_decay = decay}, 0);
        REQUIRE(same_bits(d.w, expected));
        otherwise += 1 - static_cast<float>(lr) * static_cast<float>(decay) != static_cast<float>(1 - lr * decay);
    }
    CHECK(otherwise > 0);
}

TEST_CASE("a gradient that is not finite moves nothing and halves the loss scale; good steps double it") {
    device_side<fp16, fp16> d;
    d.order.lr = 1e-2;
    d.state.loss_scale = 1024;
    const auto set = [&](float x) { std::fill(d.g.begin(), d.g.end(), kernel::number<fp16>::from(x)); };
    const auto step = [&] { d.step(optim::adamw{}, 1.0, 3); };
    for (const float broken : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
        set(1);
        d.g[9000] = kernel::number<fp16>::from(broken);
        const auto w = d.w, m = d.m, v = d.v;
        const float scale = d.state.loss_scale;
        step();
        CHECK(same_bits(d.w, w));
        CHECK(same_bits(d.m, m));
        CHECK(same_bits(d.v, v));
        CHECK(d.parts[0].updates == 0);
        CHECK(d.state.loss_scale == scale / 2);
        CHECK_FALSE(std::isfinite(d.state.gradient_norm));
    }
    CHECK(d.state.skipped == 2);
    CHECK(d.state.loss_scale == 256);
    set(1);
    for (const float expected : {256.0f, 256.0f, 512.0f, 512.0f, 512.0f, 1024.0f}) {
        step();
        CHECK(d.state.loss_scale == expected);
        CHECK(d.state.skip == 0);
    }
    CHECK(d.parts[1].updates == 6);
    CHECK(d.state.halted == 0);
}

TEST_CASE(
    "what no smaller loss scale mends halts the run, and so does a refused target; nothing moves until the host has seen it") {
    const auto check = [](auto breaks, auto mends) {
        device_side<float, float> d;
        d.order.lr = 1e-2;
        d.state.loss_scale = 1;
        std::fill(d.g.begin(), d.g.end(), 1.0f);
        breaks(d);
        const auto w = d.w;
        d.step(optim::adamw{}, 0);
        mends(d);
        d.step(optim::adamw{}, 0);
        CHECK(d.state.halted == 1);
        CHECK(same_bits(d.w, w));
        CHECK(d.parts[0].updates == 0);
        d.state.halted = 0;
        d.step(optim::adamw{}, 0);
        CHECK_FALSE(same_bits(d.w, w));
    };
    check([](auto& d) { d.g[3] = std::numeric_limits<float>::infinity(); }, [](auto& d) { d.g[3] = 1; });
    check([](auto& d) { d.report.refused = 1; }, [](auto& d) { d.report.refused = 0; });
}

TEST_CASE("a part that does not move keeps its parameters, its moments and its count, and its gradient is no part of the norm") {
    device_side<float, float> d;
    d.order.lr = 1e-2;
    std::fill(d.g.begin(), d.g.end(), 1.0f);
    d.moves[1] = 0;
    const auto before = d.w;
    d.step(optim::adam{}, 0);
    CHECK(d.state.gradient_norm == doctest::Approx(std::sqrt(5000.0)));
    for (std::size_t i = 0; i < size; ++i) REQUIRE((d.w[i] == before[i]) == (i >= 5000));
    CHECK(d.m[6000] == 0);
    CHECK(d.parts[0].updates == 1);
    CHECK(d.parts[1].updates == 0);
}

TEST_CASE("L2-SP pulls parameters to where they started, also under a loss scale, and counts in the norm") {
    device_side<fp16, fp16> d;
    d.state.loss_scale = 64;
    d.order.lr = 1;
    d.pull = 0.25f;
    for (std::size_t i = 0; i < size; ++i) d.start[i] = d.w[i] - 2;
    for (kernel::chunk& c : d.table) c.lr_scale = 1;
    std::fill(d.g.begin(), d.g.end(), kernel::number<fp16>::from(64));
    const auto before = d.w;
    d.step(optim::sgd{.lr = 1}, 0);
    CHECK(d.state.gradient_norm == doctest::Approx(1.5 * std::sqrt(static_cast<double>(size))).epsilon(1e-5));
    for (std::size_t i = 0; i < size; ++i) REQUIRE(d.w[i] == doctest::Approx(before[i] - 1.5f).epsilon(1e-5));
}

TEST_CASE("parameters outside of every chunk stay, and a chunk without a copy needs none") {
    device_side<float, float> d;
    d.order.lr = 1;
    std::fill(d.g.begin(), d.g.end(), 1.0f);
    d.table.resize(1);
    d.table[0].copy = nullptr;
    d.table[0].count = 100;
    const auto before = d.w;
    d.step(optim::sgd{.lr = 1}, 0);
    CHECK(d.state.gradient_norm == doctest::Approx(10));
    for (std::size_t i = 0; i < size; ++i) REQUIRE(d.w[i] == (i < 100 ? before[i] - 1 : before[i]));
    CHECK(std::all_of(d.copy.begin(), d.copy.end(), [](float x) { return x == 0; }));
}

TEST_CASE("the moving average of weights is the project's; the first one copies") {
    std::vector<float> w{1, -2, 3.5f}, expected(3, 7), average(3, std::numeric_limits<float>::quiet_NaN());
    const kernel::step_state state{};
    const optim::ema mean{0.9};
    for (std::int64_t updates = 0; updates < 4; ++updates) {
        for (float& x : w) x += 0.25f;
        mean.update(std::span{expected}, std::span<const float>{w}, updates);
        const kernel::step_order order{0, 0, static_cast<float>(1 - mean.decay_after(updates)), 0};
        map_on_host(kernel::move_average{3, w.data(), &order, &state, average.data()});
        CHECK(relative_error(average, expected) < 1e-6);
    }
}

TEST_CASE("a step that is left out leaves the average of the weights, but the first one copies them all the same") {
    kernel::step_state state{};
    state.skip = 1;
    std::vector<float> w{1, 2, 3}, average{0, 0, 0};
    for (const std::int64_t updates : {0, 1}) {
        const kernel::step_order order{0, 0, static_cast<float>(1 - optim::ema{.decay = 0.9}.decay_after(updates)), 0};
        map_on_host(kernel::move_average{3, w.data(), &order, &state, average.data()});
        CHECK(same_bits(average, std::vector<float>{1, 2, 3}));
        w = {4, 5, 6};
    }
}

} // namespace umsrep::test::kernel_optimizers
