// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <type_traits>

#include "../backend/deferring.hpp"
#include "../support/bits.hpp"
#include "../support/message_of.hpp"
#include "../support/tiny.hpp"

using namespace umsrep;
using test::same_bits;
using test::tiny;
using test::tiny_dataset;
using test::tiny_loader;

namespace {

using tiny_model = model<tiny>;

/// Parameters of a stage or head.
std::vector<float> parameters_of(tiny_model& m, std::string_view prefix) {
    std::vector<float> values;
    for (const auto& t : m.tensors())
        if (!t.statistic && t.name.starts_with(prefix)) values.insert(values.end(), t.values.begin(), t.values.end());
    return values;
}
std::vector<float> statistics_of(tiny_model& m, std::string_view prefix) {
    std::vector<float> values;
    for (const auto& t : m.tensors())
        if (t.statistic && t.name.starts_with(prefix)) values.insert(values.end(), t.values.begin(), t.values.end());
    return values;
}

template <class Strategy>
void train_a_little(tiny_model& m, Strategy s, train_options how = {}, int epochs = 2) {
    auto samples = tiny_loader(m);
    trainer t{m, s, optim::adamw{.lr = 1e-2}, batch{4}, std::move(how)};
    t.fit(samples, nullptr, {.epochs = epochs, .keep_best = false});
}

} // namespace

TEST_CASE("joint training lowers every head's loss") {
    tiny_model m{seed{1}};
    auto samples = tiny_loader(m);
    trainer t{m, joint<all>{}, optim::adamw{.lr = 1e-2}, batch{4}};
    const history h = t.fit(samples, nullptr, {.epochs = 12, .keep_best = false});
    REQUIRE(h.epochs.size() == 12);
    for (std::size_t head = 0; head < 2; ++head)
        CHECK(h.epochs.back().train_loss[head] < 0.7 * h.epochs.front().train_loss[head]);
    CHECK(h.epochs.back().train_loss[2] < h.epochs.front().train_loss[2]);
}

TEST_CASE("a trainer refuses an optimiser whose settings cannot work, before anything moves") {
    tiny_model m{seed{1}};
    const auto refused = [&](const auto& optimizer) {
        return test::message_of<option_error>([&] { trainer t{m, joint<all>{}, optimizer, batch{4}}; });
    };
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK(refused(optim::adamw{.lr = nan}) == "adamw lr: expected a finite value >= 0, got nan");
    CHECK(refused(optim::adam{.epsilon = -1}) == "adam epsilon: expected a finite value > 0, got -1.000000");
    CHECK(refused(optim::sgd{.momentum = nan}) == "sgd momentum: expected a value in [0, 1), got nan");
}

TEST_CASE("the same seed and data give the same bits, for every number of threads") {
    tiny_model a{seed{1}, batch{1}, threads{1}}, b{seed{1}, batch{1}, threads{2}}, c{seed{1}, batch{1}, threads{3}};
    for (tiny_model* m : {&a, &b, &c}) train_a_little(*m, joint<all>{});
    CHECK(same_bits(a.parameters(), b.parameters()));
    CHECK(same_bits(a.parameters(), c.parameters()));
    CHECK(same_bits(a.statistics(), c.statistics()));
}

TEST_CASE("a frozen encoder keeps its weights and its statistics, to the bit") {
    tiny_model m{seed{1}};
    const auto weights = parameters_of(m, "encoder"), statistics = statistics_of(m, "encoder");
    train_a_little(m, joint<frozen>{});
    CHECK(same_bits(weights, parameters_of(m, "encoder")));
    CHECK(same_bits(statistics, statistics_of(m, "encoder")));
}

TEST_CASE("adaptive norm statistics move in a frozen encoder, its weights do not") {
    tiny_model m{seed{1}};
    const auto weights = parameters_of(m, "encoder"), statistics = statistics_of(m, "encoder");
    train_a_little(m, joint<frozen, norm_statistics::adaptive>{});
    CHECK(same_bits(weights, parameters_of(m, "encoder")));
    CHECK_FALSE(same_bits(statistics, statistics_of(m, "encoder")));
}

TEST_CASE("frozen norm statistics stay while the encoder trains") {
    tiny_model m{seed{1}};
    const auto weights = parameters_of(m, "encoder"), statistics = statistics_of(m, "encoder");
    train_a_little(m, joint<all, norm_statistics::frozen>{});
    CHECK_FALSE(same_bits(weights, parameters_of(m, "encoder")));
    CHECK(same_bits(statistics, statistics_of(m, "encoder")));
}

TEST_CASE("last<1> trains the deepest stage and no other") {
    tiny_model m{seed{1}};
    const auto first = parameters_of(m, "encoder.e1"), second = parameters_of(m, "encoder.e2"), third = parameters_of(m, "encoder.e3");
    train_a_little(m, joint<last<1>>{});
    CHECK(same_bits(first, parameters_of(m, "encoder.e1")));
    CHECK(same_bits(second, parameters_of(m, "encoder.e2")));
    CHECK_FALSE(same_bits(third, parameters_of(m, "encoder.e3")));
}

TEST_CASE("alternating moves one head at a time, in turn") {
    tiny_model m{seed{1}};
    auto samples = tiny_loader(m);
    trainer t{m, alternating<all>{}, optim::adamw{}, batch{4}};
    samples.start(0);
    const char* heads[] = {"denoise", "lungs", "finding"};
    for (std::size_t turn = 0; turn < 3; ++turn) {
        const auto before = std::array{parameters_of(m, heads[0]), parameters_of(m, heads[1]), parameters_of(m, heads[2])};
        const auto encoder_before = parameters_of(m, "encoder");
        const auto loss = t.step(*samples.next());
        for (std::size_t h = 0; h < 3; ++h) {
            CHECK(same_bits(before[h], parameters_of(m, heads[h])) == (h != turn));
            CHECK(std::isnan(loss[h]) == (h != turn));
        }
        CHECK_FALSE(same_bits(encoder_before, parameters_of(m, "encoder")));
    }
}

TEST_CASE("with a frozen encoder, joint and independent end in the same heads, bit for bit") {
    task_models<tiny> together{tiny_model{seed{1}}}, apart{tiny_model{seed{1}}};
    auto samples = tiny_loader(together.of(0));
    const fit_options o{.epochs = 3, .keep_best = false};
    fit(together, joint<frozen>{}, samples, nullptr, optim::adamw{.lr = 1e-2}, o);
    fit(apart, independent<frozen>{}, samples, nullptr, optim::adamw{.lr = 1e-2}, o);
    REQUIRE(apart.size() == 1);
    CHECK(same_bits(together.of(0).parameters(), apart.of(0).parameters()));
    CHECK(same_bits(together.of(0).statistics(), apart.of(0).statistics()));
}

TEST_CASE("independent tasks part from one encoder, separate ones start from their own") {
    task_models<tiny> tuned{tiny_model{seed{1}}}, scratch{tiny_model{seed{1}}};
    auto samples = tiny_loader(tuned.of(0));
    const fit_options none{.epochs = 0};
    fit(tuned, independent<all>{}, samples, nullptr, optim::adamw{}, none);
    fit(scratch, separate{}, samples, nullptr, optim::adamw{}, none);
    REQUIRE(tuned.size() == 3);
    REQUIRE(scratch.size() == 3);
    CHECK(same_bits(tuned.of(0).parameters(), tuned.of(2).parameters()));
    CHECK_FALSE(same_bits(scratch.of(0).parameters(), scratch.of(1).parameters()));
    fit(tuned, independent<all>{}, samples, nullptr, optim::adamw{}, {.epochs = 1});
    CHECK_FALSE(same_bits(parameters_of(tuned.of(0), "encoder"), parameters_of(tuned.of(1), "encoder")));
}

TEST_CASE("samples without a label neither count nor matter") {
    // Odd samples have no finding: whatever their label would be, training ends in the same bits.
    tiny_model a{seed{1}}, b{seed{1}};
    for (tiny_model* m : {&a, &b}) {
        auto samples = tiny_loader(*m, {12, [](std::size_t i) { return i % 2 == 1 ? 3U : 7U; }});
        trainer t{*m, joint<all>{}, optim::adamw{}, batch{4}};
        samples.start(0);
        while (auto batch_now = samples.next()) {
            if (m == &b)
                for (std::size_t i = 0; i < batch_now->size(); ++i)
                    if (batch_now->heads[2].present[i] == 0) batch_now->heads[2].values(i, 0, 0, 0) = std::numeric_limits<float>::quiet_NaN();
            t.step(*batch_now);
        }
    }
    CHECK(same_bits(a.parameters(), b.parameters()));
}

TEST_CASE("a head without a labelled sample in the batch does not move") {
    tiny_model m{seed{1}};
    auto samples = tiny_loader(m, {4, [](std::size_t) { return 3U; }});
    trainer t{m, joint<all>{}, optim::adamw{.weight_decay = 0.1}, batch{4}};
    const auto finding = parameters_of(m, "finding"), lungs = parameters_of(m, "lungs");
    samples.start(0);
    const auto loss = t.step(*samples.next());
    CHECK(std::isnan(loss[2]));
    CHECK(same_bits(finding, parameters_of(m, "finding")));
    CHECK_FALSE(same_bits(lungs, parameters_of(m, "lungs")));
}

TEST_CASE("a batch without any label for the trained heads is refused") {
    tiny_model m{seed{1}};
    auto samples = tiny_loader(m, {4, [](std::size_t) { return 0U; }});
    trainer t{m, joint<all>{}, optim::adamw{}, batch{4}};
    samples.start(0);
    CHECK_THROWS_AS(t.step(*samples.next()), label_error);
}

TEST_CASE("training stops after `patience` epochs without a better monitor and keeps the best weights") {
    tiny_model m{seed{1}};
    auto samples = tiny_loader(m);
    trainer t{m, joint<all>{}, optim::adamw{}, batch{4}};
    const double monitors[] = {3, 2, 1, 1.5, 1.25, 9, 9};
    int epoch = 0;
    std::vector<float> best;
    fit_options o{.epochs = 20, .patience = 2};
    o.monitor = [&] {
        if (epoch == 2) best = test::copy(m.parameters());
        return monitors[epoch++];
    };
    const history h = t.fit(samples, nullptr, o);
    CHECK(h.epochs.size() == 5);
    CHECK(h.epochs[2].best);
    CHECK_FALSE(h.epochs[3].best);
    CHECK(same_bits(best, m.parameters()));
}

TEST_CASE("validation uses running statistics and does not change the model") {
    tiny_model m{seed{1}};
    train_a_little(m, joint<all>{});
    auto valid = tiny_loader(m, {}, 5, false);
    trainer t{m, joint<all>{}, optim::adamw{}, batch{5}};
    const auto parameters = test::copy(m.parameters()), statistics = test::copy(m.statistics());
    const auto in_fives = t.validation_losses(valid);
    auto in_threes = tiny_loader(m, {}, 3, false);
    const auto again = t.validation_losses(in_threes);
    CHECK(same_bits(parameters, m.parameters()));
    CHECK(same_bits(statistics, m.statistics()));
    for (std::size_t h = 0; h < 3; ++h) CHECK(in_fives[h] == doctest::Approx(again[h]));
}

TEST_CASE("the cosine schedule with total 0 lasts the run") {
    tiny_model m{seed{1}};
    auto samples = tiny_loader(m);
    trainer t{m, joint<all>{}, optim::adamw{.lr = 1e-2}, batch{4}, {.schedule = schedule::cosine{}}};
    const history h = t.fit(samples, nullptr, {.epochs = 4});
    CHECK(h.epochs.back().learning_rate == doctest::Approx(0).epsilon(1e-9));
    CHECK(h.epochs[1].learning_rate == doctest::Approx(0.5e-2));
}

TEST_CASE("clipping bounds the step of plain gradient descent") {
    const auto length_of_step = [](double clip) {
        tiny_model m{seed{1}};
        const auto before = test::copy(m.parameters());
        auto samples = tiny_loader(m);
        trainer t{m, joint<all>{}, optim::sgd{.lr = 1}, batch{4}, {.clip_norm = clip}};
        samples.start(0);
        t.step(*samples.next());
        double squares = 0;
        for (std::size_t i = 0; i < before.size(); ++i) {
            const double d = static_cast<double>(m.parameters()[i]) - static_cast<double>(before[i]);
            squares += d * d;
        }
        return std::sqrt(squares);
    };
    REQUIRE(length_of_step(0) > 0.1);
    CHECK(length_of_step(0.1) == doctest::Approx(0.1).epsilon(1e-3));
}

TEST_CASE("layer decay slows the stages, deepest least, and the heads not at all") {
    const auto moved = [](double decay, const char* name) {
        tiny_model m{seed{1}};
        const auto before = parameters_of(m, name);
        auto samples = tiny_loader(m);
        trainer t{m, joint<all>{}, optim::sgd{.lr = 1e-2}, batch{4}, {.layer_decay = decay}};
        samples.start(0);
        t.step(*samples.next());
        const auto after = parameters_of(m, name);
        double sum = 0;
        for (std::size_t i = 0; i < before.size(); ++i) sum += std::abs(static_cast<double>(after[i]) - static_cast<double>(before[i]));
        return sum;
    };
    CHECK(moved(0.5, "finding") == doctest::Approx(moved(1, "finding")).epsilon(1e-4));
    CHECK(moved(0.5, "encoder.e3") == doctest::Approx(0.5 * moved(1, "encoder.e3")).epsilon(1e-3));
    CHECK(moved(0.5, "encoder.e1") == doctest::Approx(0.125 * moved(1, "encoder.e1")).epsilon(1e-3));
}

TEST_CASE("the kept weights are the average when one is asked for") {
    tiny_model m{seed{1}};
    auto samples = tiny_loader(m, {}, 12);
    train_options how;
    how.average = optim::ema{.decay = 0.5};
    trainer t{m, joint<all>{}, optim::adamw{.lr = 1e-2}, batch{12}, how};
    std::vector<std::vector<float>> weights;
    fit_options o{.epochs = 3};
    o.on_batch = [&](const batch_report&) { weights.push_back(test::copy(m.parameters())); };
    double falling = 3;
    o.monitor = [&] { return falling--; };
    t.fit(samples, nullptr, o);
    REQUIRE(weights.size() == 3); // one batch an epoch
    // The first update copies, each later one goes half the way.
    for (std::size_t i = 0; i < weights[0].size(); ++i) {
        const float average = 0.5f * (0.5f * (weights[0][i] + weights[1][i]) + weights[2][i]);
        REQUIRE(m.parameters()[i] == doctest::Approx(average).epsilon(1e-5));
    }
    CHECK_FALSE(same_bits(m.parameters(), weights[2]));
}

TEST_CASE_TEMPLATE("what training allocates is what the constants say", Backend, reference<float>, test::deferring) {
    model<tiny, Backend> m{seed{1}};
    const auto check = [&](auto strategy, const memory& planned) {
        trainer t{m, strategy, optim::adamw{}, batch{4}};
        memory expected = planned;
        expected.activations = expected.activation_gradients = 0; // parts of the arena
        CHECK(t.allocated() == expected);
        CHECK(t.allocated().workspace > 0);
        CHECK((t.allocated().workers > 0) == std::is_same_v<Backend, test::deferring>);
        return t.allocated();
    };
    const memory all_of_it = check(joint<all>{}, training_memory<tiny, joint<all>, Backend>(batch{4}));
    const memory heads_only = check(joint<frozen>{}, training_memory<tiny, joint<frozen>, Backend>(batch{4}));
    const memory in_turn = check(alternating<all>{}, training_memory<tiny, alternating<all>, Backend>(batch{4}));
    const memory twice = check(checkpointed<joint<all>>{}, training_memory<tiny, checkpointed<joint<all>>, Backend>(batch{4}));
    const memory on_features = check(cached<joint<frozen>>{}, training_memory<tiny, cached<joint<frozen>>, Backend>(batch{4}));
    CHECK(on_features.gradients == heads_only.gradients);
    m.part_statistics();
    check(alternating<all, norm_statistics::per_task>{}, training_memory<tiny, alternating<all, norm_statistics::per_task>, Backend>(batch{4}));
    CHECK(twice.arena < all_of_it.arena);
    CHECK(heads_only.gradients < all_of_it.gradients);
    CHECK(heads_only.moments < all_of_it.moments);
    CHECK(heads_only.arena < all_of_it.arena);
    CHECK(in_turn.arena <= all_of_it.arena);
    CHECK(heads_only.saved_statistics <= all_of_it.saved_statistics);
}

TEST_CASE("a checkpointed strategy ends in the same bits") {
    tiny_model plain{seed{1}}, twice{seed{1}}, in_turn{seed{1}}, in_turn_twice{seed{1}};
    train_a_little(plain, joint<all>{});
    train_a_little(twice, checkpointed<joint<all>>{});
    train_a_little(in_turn, alternating<last<2>>{});
    train_a_little(in_turn_twice, checkpointed<alternating<last<2>>>{});
    CHECK(same_bits(plain.parameters(), twice.parameters()));
    CHECK(same_bits(plain.statistics(), twice.statistics()));
    CHECK(same_bits(in_turn.parameters(), in_turn_twice.parameters()));
    CHECK(same_bits(in_turn.statistics(), in_turn_twice.statistics()));
}

TEST_CASE("batches without a label are passed over in a run, and a run of nothing else is refused") {
    tiny_model m{seed{1}};
    auto some = tiny_loader(m, {12, [](std::size_t i) { return i < 4 ? 7U : 0U; }}, 4, false);
    trainer t{m, joint<all>{}, optim::adamw{}, batch{4}};
    int batches = 0;
    fit_options o{.epochs = 1};
    o.on_batch = [&](const batch_report& r) { batches += std::isnan((*r.loss)[0]) ? 0 : 1; };
    t.fit(some, nullptr, o);
    CHECK(batches == 1);
    auto none = tiny_loader(m, {12, [](std::size_t) { return 0U; }}, 4, false);
    trainer u{m, joint<all>{}, optim::adamw{}, batch{4}};
    CHECK_THROWS_WITH_AS(u.fit(none, nullptr, {.epochs = 1}), doctest::Contains("training data"), label_error);
}

TEST_CASE("a head whose labels never come is named, unless that is allowed") {
    tiny_model m{seed{1}};
    auto samples = tiny_loader(m, {12, [](std::size_t) { return 3U; }});
    trainer t{m, joint<all>{}, optim::adamw{}, batch{4}};
    CHECK_THROWS_WITH_AS(t.fit(samples, nullptr, {.epochs = 1}), "training data for head 'finding': expected labels, got none in a whole epoch", label_error);
    trainer u{m, joint<all>{}, optim::adamw{}, batch{4}};
    CHECK_NOTHROW(u.fit(samples, nullptr, {.epochs = 1, .allow_unlabelled_heads = true}));
}

TEST_CASE("taking turns over epochs of one batch is no lack of labels") {
    tiny_model m{seed{1}};
    auto samples = tiny_loader(m, {}, 12);
    trainer t{m, alternating<all>{}, optim::adamw{}, batch{12}};
    CHECK_NOTHROW(t.fit(samples, nullptr, {.epochs = 2}));
}

TEST_CASE("a wrong label is reported with its head and batch") {
    tiny_model m{seed{1}};
    auto samples = tiny_loader(m, {}, 4, false);
    trainer t{m, joint<all>{}, optim::adamw{}, batch{4}};
    samples.start(0);
    auto b = *samples.next();
    b.heads[2].values(1, 0, 0, 0) = 3;
    CHECK_THROWS_WITH_AS(t.step(b), doctest::Contains("head 'finding', batch that begins with 'tiny 0'"), label_error);
}

TEST_CASE("a model per task predicts its own task") {
    task_models<tiny> tasks{tiny_model{seed{1}, batch{4}}};
    auto samples = tiny_loader(tasks.of(0));
    fit(tasks, separate{}, samples, nullptr, optim::adamw{}, {.epochs = 1});
    samples.start(0);
    const auto b = *samples.next();
    const auto p = tasks.predict(b.images);
    for (int h = 0; h < 3; ++h) {
        model<tiny> whole{seed{1}, batch{4}};
        std::copy(tasks.of(h).parameters().begin(), tasks.of(h).parameters().end(), whole.parameters().begin());
        std::copy(tasks.of(h).statistics().begin(), tasks.of(h).statistics().end(), whole.statistics().begin());
        CHECK(same_bits(p.outputs[static_cast<std::size_t>(h)], whole.predict(b.images).outputs[static_cast<std::size_t>(h)]));
    }
}

TEST_CASE("a gradient that is not finite stops training and names the batch") {
    tiny_model m{seed{1}};
    m.parameters()[0] = std::numeric_limits<float>::infinity();
    auto samples = tiny_loader(m, {}, 4, false);
    trainer t{m, joint<all>{}, optim::adamw{}, batch{4}};
    samples.start(0);
    CHECK_THROWS_WITH_AS(t.step(*samples.next()), doctest::Contains("tiny 0"), error);
}

TEST_CASE("an image that is not finite is named before it touches the model") {
    tiny_model m{seed{1}};
    auto samples = tiny_loader(m, {}, 4, false);
    trainer t{m, joint<all>{}, optim::adamw{}, batch{4}};
    samples.start(0);
    auto b = *samples.next();
    b.images(2, 0, 3, 3) = std::numeric_limits<float>::quiet_NaN();
    const auto statistics = test::copy(m.statistics());
    CHECK_THROWS_WITH_AS(t.step(b), "image 'tiny 2': expected finite values, got NaN or infinity", error);
    CHECK(same_bits(statistics, m.statistics()));
}

TEST_CASE("a loader of other heads or images is refused") {
    tiny_model m{seed{1}};
    trainer t{m, joint<all>{}, optim::adamw{}, batch{4}};
    data::loader two_heads{tiny_dataset{}, 4, m.image(), {{"denoise", {1, 16, 16}}, {"lungs", {1, 16, 16}}}, {}};
    two_heads.start(0);
    CHECK_THROWS_AS(t.step(*two_heads.next()), shape_mismatch);
    auto large = tiny_loader(m, {}, 5);
    large.start(0);
    CHECK_THROWS_AS(t.step(*large.next()), shape_mismatch);
}
