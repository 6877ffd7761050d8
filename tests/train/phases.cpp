// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <vector>

#include <umsrep/train/phases.hpp>

#include "../support/bits.hpp"
#include "../support/message_of.hpp"
#include "../support/tiny.hpp"

using namespace umsrep;
using test::same_bits;
using test::tiny_loader;

namespace phases_test {

struct three_stages : encoder<image<1, 16, 16>,
    stage<"e1", conv<4, 3, no_bias>, batch_norm, relu>,
    stage<"e2", max_pool<2>, conv<4, 3, no_bias>, batch_norm, relu>,
    stage<"e3", max_pool<2>, conv<8, 3, no_bias>, batch_norm, relu>> {};
struct two_heads : network<three_stages,
    head<"lungs", seq<upsample_bilinear<4>, concat<"e1">, conv<1, 3>>, loss::dice_bce>,
    head<"finding", seq<global_avg_pool, linear<3>>, loss::cross_entropy>> {};
using net_model = model<two_heads>;

std::vector<float> stage_of(net_model& m, std::string_view prefix) {
    std::vector<float> values;
    for (const auto& t : m.tensors())
        if (!t.statistic && t.name.starts_with(prefix)) values.insert(values.end(), t.values.begin(), t.values.end());
    return values;
}

/// Which stages moved in each phase.
struct watch {
    net_model* m;
    std::vector<std::vector<float>> before{};
    std::vector<std::string> names{};
    std::vector<double> rates{};
    std::vector<std::uint64_t> first_epochs{};

    void look() {
        std::vector<float> all;
        for (const char* stage : {"encoder.e1", "encoder.e2", "encoder.e3"}) {
            const auto values = stage_of(*m, stage);
            all.push_back(0);
            for (const float v : values) all.back() += v * v;
        }
        before.push_back(all);
    }
    template <class Trainer>
    void operator()(Trainer&, fit_options& o, std::string_view name) {
        look();
        names.emplace_back(name);
        first_epochs.push_back(o.first_epoch);
        o.on_epoch = [this](const epoch_record& r) { rates.push_back(r.learning_rate); };
    }
};

TEST_CASE("one phase is a run without phases, bit for bit") {
    net_model a{seed{1}}, b{seed{1}};
    auto samples = tiny_loader(a);
    const fit_options o{.epochs = 2, .keep_best = false};
    fit(a, joint<last<1>>{}, samples, nullptr, optim::adamw{.lr = 1e-2}, o);
    const auto runs = fit(b, phases{phase_of<joint<last<1>>>{.epochs = 2}}, samples, nullptr, optim::adamw{.lr = 1e-2}, o);
    CHECK(runs.size() == 1);
    CHECK(same_bits(a.parameters(), b.parameters()));
    CHECK(same_bits(a.statistics(), b.statistics()));
}

TEST_CASE("gradual unfreezing trains one stage more in each phase, at a falling rate, on new epochs of the data") {
    net_model m{seed{1}};
    auto samples = tiny_loader(m);
    watch w{&m};
    const auto runs =
        fit(m, gradual_unfreezing<two_heads>(2, 0.5), samples, nullptr, optim::adamw{.lr = 1e-2}, {.keep_best = false}, {}, std::ref(w));
    w.look();
    REQUIRE(runs.size() == 4);
    CHECK(w.names == std::vector<std::string>{"phase1", "phase2", "phase3", "phase4"});
    CHECK(w.first_epochs == std::vector<std::uint64_t>{0, 2, 4, 6});
    for (std::size_t p = 0; p < 4; ++p) {
        CHECK(runs[p].epochs.size() == 2);
        CHECK(w.rates[2 * p] == doctest::Approx(1e-2 * std::pow(0.5, p)));
        for (std::size_t stage = 0; stage < 3; ++stage) {
            CAPTURE(p);
            CAPTURE(stage);
            CHECK((w.before[p][stage] != w.before[p + 1][stage]) == (stage + p >= 3));
        }
    }
}

TEST_CASE("linear probing first moves the heads alone, then everything") {
    task_models<two_heads> tasks{net_model{seed{1}}};
    auto samples = tiny_loader(tasks.of(0));
    const auto encoder = stage_of(tasks.of(0), "encoder");
    std::vector<std::string> names;
    bool still_there = false;
    const auto setup = [&](auto&, fit_options&, std::string_view name) {
        names.emplace_back(name);
        if (name == "phase2.lungs") still_there = same_bits(encoder, stage_of(tasks.of(0), "encoder"));
    };
    fit(tasks, linear_probe_then_fine_tune<independent>(1, 1), samples, nullptr, optim::adamw{.lr = 1e-2}, {}, {}, setup);
    CHECK(names == std::vector<std::string>{"phase1.lungs", "phase1.finding", "phase2.lungs", "phase2.finding"});
    CHECK(still_there);
    REQUIRE(tasks.size() == 2);
    CHECK_FALSE(same_bits(stage_of(tasks.of(0), "encoder"), stage_of(tasks.of(1), "encoder")));
}

TEST_CASE("phases that cannot be are refused before anything trains") {
    net_model m{seed{1}};
    auto samples = tiny_loader(m);
    const auto before = test::copy(m.parameters());
    const auto message = [&](phase_of<joint<all>> second) {
        return test::message_of<option_error>([&] {
            fit(m, phases{phase_of<joint<frozen>>{1}, second}, samples, nullptr, optim::adamw{});
        });
    };
    CHECK(message({1, 0}) == "phase 2: learning rate: expected a factor above 0, got 0.000000");
    CHECK(message({-1, 1}) == "phase 2: epochs: expected 0 or more, got -1");
    CHECK(same_bits(before, m.parameters()));
}

TEST_CASE("L2-SP pulls the encoder towards where it started and leaves the heads alone") {
    net_model m{seed{1}};
    auto samples = tiny_loader(m, {}, 12, false);
    const auto step = [&](double strength) {
        net_model trained{seed{1}};
        train_options how;
        if (strength > 0) {
            how.l2_sp = l2_sp{.strength = strength};
            how.l2_sp->start.assign(m.parameters().size(), 0.25);
        }
        trainer t{trained, joint<last<2>>{}, optim::sgd{.lr = 0.5}, batch{12}, how};
        samples.start(0);
        t.step(*samples.next());
        return trained;
    };
    net_model plain = step(0), pulled = step(0.1);
    const auto tensors = std::as_const(m).tensors(), without = std::as_const(plain).tensors(), with = std::as_const(pulled).tensors();
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        if (tensors[i].statistic) continue;
        const bool pulls = tensors[i].name.starts_with("encoder.e2") || tensors[i].name.starts_with("encoder.e3");
        for (std::size_t k = 0; k < tensors[i].values.size(); ++k) {
            const float w = tensors[i].values[k];
            if (pulls) REQUIRE(with[i].values[k] == doctest::Approx(without[i].values[k] - 0.5f * 0.1f * (w - 0.25f)).epsilon(1e-4));
            else REQUIRE(with[i].values[k] == without[i].values[k]);
        }
    }
}

TEST_CASE("L2-SP starts from the weights that the trainer finds, and through phases from those of the first") {
    // A pull so strong that only the start matters: it must be that of before the first phase, which moved the last stage away from it.
    net_model m{seed{1}};
    const auto start = stage_of(m, "encoder.e3");
    auto samples = tiny_loader(m, {}, 12, false);
    std::vector<float> between;
    const auto setup = [&](auto&, fit_options&, std::string_view name) {
        if (name == "phase2") between = stage_of(m, "encoder.e3");
    };
    fit(m, phases{phase_of<joint<last<1>>>{1, 100}, phase_of<joint<last<1>>>{1, 1}}, samples, nullptr, optim::sgd{.lr = 1e-3},
        {.keep_best = false}, {.l2_sp = l2_sp{.strength = 1000}}, setup);
    const auto end = stage_of(m, "encoder.e3");
    const auto distance = [](const std::vector<float>& a, const std::vector<float>& b) {
        double sum = 0;
        for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
        return std::sqrt(sum);
    };
    REQUIRE(distance(between, start) > 1e-2);
    CHECK(distance(end, start) < 0.2 * distance(between, start)); // lr x strength = 1: one step goes back to the start
}

TEST_CASE("L2-SP with values that make no sense is refused") {
    net_model m{seed{1}};
    const auto message = [&](l2_sp how) {
        return test::message_of<option_error>([&] { trainer t{m, joint<all>{}, optim::sgd{}, batch{4}, {.l2_sp = how}}; });
    };
    CHECK(message({.strength = -1}) == "L2-SP: strength: expected 0 or more, got -1.000000");
    CHECK(message({.strength = 1, .start = {1, 2}})
              .starts_with("L2-SP: start: expected " + std::to_string(m.parameters().size()) + " parameters, got 2"));
}

} // namespace phases_test
