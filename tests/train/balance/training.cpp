// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include <umsrep/io/checkpoint.hpp>
#include <umsrep/train/balance/cagrad.hpp>
#include <umsrep/train/balance/dwa.hpp>
#include <umsrep/train/balance/equal.hpp>
#include <umsrep/train/balance/famo.hpp>
#include <umsrep/train/balance/geometric_mean.hpp>
#include <umsrep/train/balance/gradnorm.hpp>
#include <umsrep/train/balance/imtl.hpp>
#include <umsrep/train/balance/pcgrad.hpp>
#include <umsrep/train/balance/random_weights.hpp>
#include <umsrep/train/balance/uncertainty.hpp>

#include "../../support/bits.hpp"
#include "../../support/temporary_folder.hpp"
#include "../../support/tiny.hpp"

using namespace umsrep;
using test::same_bits;
using test::tiny;
using test::tiny_loader;

namespace balance_training {

using precise = model<tiny, reference<double>>;

std::vector<balance::any_policy> policies() {
    return {balance::equal{},          balance::uncertainty{}, balance::dwa{},      balance::random_weights{},
            balance::geometric_mean{}, balance::famo{},        balance::gradnorm{}, balance::pcgrad{},
            balance::cagrad{},         balance::imtl_l{},      balance::imtl_g{},   balance::imtl{}};
}

/// Parameters (or running statistics) whose name begins so.
template <class Model>
std::vector<typename Model::scalar> values_of(Model& m, std::string_view prefix, bool statistics = false) {
    std::vector<typename Model::scalar> values;
    for (const auto& t : m.tensors())
        if (t.statistic == statistics && t.name.starts_with(prefix)) values.insert(values.end(), t.values.begin(), t.values.end());
    return values;
}

template <class Model>
void train_for(Model& m, const train_options& how, int epochs, test::tiny_dataset d = {}) {
    auto samples = tiny_loader(m, d);
    trainer t{m, joint<all>{}, optim::adamw{.lr = 1e-2}, batch{4}, how};
    t.fit(samples, nullptr, {.epochs = epochs, .keep_best = false});
}

struct early : network<test::tiny_encoder,
    head<"deep", seq<global_avg_pool, linear<3>>, loss::cross_entropy>,
    head<"early", seq<conv<1, 1>>, loss::l1, from<"e1">>> {};
struct dropping : network<test::tiny_encoder,
    head<"lungs", test::tiny_decoder, loss::dice_bce>,
    head<"finding", seq<global_avg_pool, dropout<0.5>, linear<3>>, loss::cross_entropy>> {};

/// Tells what it observes.
struct spy {
    static constexpr std::string_view name = "spy";
    std::vector<double>* before_step;
    std::vector<double>* after_step;
    void observe(balance::per_task before, balance::per_task after) {
        before_step->assign(before.begin(), before.end());
        after_step->assign(after.begin(), after.end());
    }
};

data::batch first_batch(data::loader& samples) {
    samples.start(0);
    return *samples.next();
}

} // namespace balance_training
using namespace balance_training;

TEST_CASE("the policy `equal` ends in the bits of none") {
    model<tiny> with{seed{1}}, without{seed{1}};
    train_for(with, {.balance = balance::equal{}}, 2);
    train_for(without, {}, 2);
    CHECK(same_bits(with.parameters(), without.parameters()));
    CHECK(same_bits(with.statistics(), without.statistics()));
}

TEST_CASE("every policy trains, each in its own way") {
    std::vector<std::vector<float>> results;
    for (const balance::any_policy& p : policies()) {
        CAPTURE(p.text());
        model<tiny> m{seed{1}};
        auto samples = tiny_loader(m);
        trainer t{m, joint<all>{}, optim::adamw{.lr = 1e-2}, batch{4}, {.balance = p}};
        const history h = t.fit(samples, nullptr, {.epochs = 8, .keep_best = false});
        for (std::size_t head = 0; head < 2; ++head) CHECK(h.epochs.back().train_loss[head] < 0.9 * h.epochs.front().train_loss[head]);
        for (const auto& other : results) CHECK_FALSE(same_bits(other, m.parameters()));
        results.push_back(test::copy(m.parameters()));
    }
}

TEST_CASE("gradients taken apart and added up are those of the joint step; running statistics move once") {
    precise together{seed{1}}, apart{seed{1}};
    auto samples = tiny_loader(together);
    const auto b = first_batch(samples);
    trainer plain{together, joint<all>{}, optim::sgd{.lr = 0.1}, batch{4}};
    trainer summed{apart, joint<all>{}, optim::sgd{.lr = 0.1}, batch{4}, {.balance = balance::cagrad{.c = 0}}};
    for (int step = 0; step < 3; ++step) {
        plain.step(b);
        summed.step(b);
    }
    CHECK(test::relative_error(apart.parameters(), together.parameters()) < 1e-12);
    CHECK(test::relative_error(apart.statistics(), together.statistics()) < 1e-12);
}

TEST_CASE("a head that reads the encoder early moves and shares the stages up to there") {
    model<early, reference<double>> together{seed{1}}, apart{seed{1}}, alone{seed{1}};
    auto samples = tiny_loader(together);
    auto b = first_batch(samples);
    b.heads[0].values.fill(1.0f);
    b.heads[1].values.fill(0.5f);
    for (auto& labels : b.heads) labels.present.assign(4, 1);
    trainer plain{together, joint<all>{}, optim::sgd{.lr = 0.1}, batch{4}};
    trainer summed{apart, joint<all>{}, optim::sgd{.lr = 0.1}, batch{4}, {.balance = balance::cagrad{.c = 0}}};
    plain.step(b);
    summed.step(b);
    CHECK(test::relative_error(apart.parameters(), together.parameters()) < 1e-12);
    CHECK(test::relative_error(apart.statistics(), together.statistics()) < 1e-12);
    REQUIRE(summed.inner_products() != nullptr);
    CHECK(summed.inner_products()->of_stage(0, 0, 1) != 0);
    CHECK(summed.inner_products()->of_stage(2, 0, 1) == 0);
    // Without labels for the deep head, nothing behind the first stage moves.
    b.heads[0].present.assign(4, 0);
    trainer t{alone, joint<all>{}, optim::adamw{.weight_decay = 0.1}, batch{4}, {.balance = balance::pcgrad{}}};
    const auto second = values_of(alone, "encoder.e2"), first = values_of(alone, "encoder.e1");
    t.step(b);
    CHECK(same_bits(second, values_of(alone, "encoder.e2")));
    CHECK_FALSE(same_bits(first, values_of(alone, "encoder.e1")));
}

TEST_CASE("a task without a label in the batch takes no part, whatever the policy") {
    for (const balance::any_policy& p : policies()) {
        CAPTURE(p.text());
        model<tiny> m{seed{1}};
        auto samples = tiny_loader(m, {4, [](std::size_t) { return 3U; }});
        trainer t{m, joint<all>{}, optim::adamw{.weight_decay = 0.1}, batch{4}, {.balance = p}};
        const auto finding = values_of(m, "finding"), lungs = values_of(m, "lungs"), encoder = values_of(m, "encoder");
        const auto b = first_batch(samples);
        std::vector<double> loss;
        for (int step = 0; step < 2; ++step) loss = t.step(b);
        CHECK(std::isnan(loss[2]));
        CHECK(same_bits(finding, values_of(m, "finding")));
        CHECK_FALSE(same_bits(lungs, values_of(m, "lungs")));
        CHECK_FALSE(same_bits(encoder, values_of(m, "encoder")));
        for (const float v : m.parameters()) REQUIRE(std::isfinite(v));
        auto none = tiny_loader(m, {4, [](std::size_t) { return 0U; }});
        CHECK_THROWS_AS(t.step(first_batch(none)), label_error);
    }
}

TEST_CASE("labels that come and go: every policy goes on with what is there") {
    for (const balance::any_policy& p : policies()) {
        CAPTURE(p.text());
        model<tiny> m{seed{1}};
        // Batches of one: each has another set of labels.
        auto samples = tiny_loader(m, {12, [](std::size_t i) { return 1U + static_cast<unsigned>(i % 7); }}, 1);
        trainer t{m, joint<all>{}, optim::adamw{.lr = 1e-3}, batch{1}, {.balance = p, .loss_average = 0.9}};
        t.fit(samples, nullptr, {.epochs = 3, .keep_best = false});
        for (const float v : m.parameters()) REQUIRE(std::isfinite(v));
    }
}

TEST_CASE("every policy ends in the same bits for every number of threads") {
    for (const balance::any_policy& p : policies()) {
        CAPTURE(p.text());
        model<tiny> a{seed{1}, batch{1}, threads{1}}, b{seed{1}, batch{1}, threads{3}};
        for (model<tiny>* m : {&a, &b}) train_for(*m, {.balance = p, .loss_average = 0.9}, 3);
        CHECK(same_bits(a.parameters(), b.parameters()));
        CHECK(same_bits(a.statistics(), b.statistics()));
    }
}

TEST_CASE("every policy goes on from a checkpoint with the same bits") {
    const test::temporary_folder f;
    for (const balance::any_policy& p : policies()) {
        CAPTURE(p.text());
        const train_options how{.balance = p, .loss_average = 0.8};
        model<tiny> whole{seed{1}}, stopped{seed{1}}, resumed{seed{2}};
        train_for(whole, how, 5);
        const auto file = f / "run.safetensors";
        {
            auto samples = tiny_loader(stopped);
            trainer t{stopped, joint<all>{}, optim::adamw{.lr = 1e-2}, batch{4}, how};
            fit_options o{.epochs = 5, .keep_best = false, .checkpoint_every = 1};
            int saves = 0;
            o.on_checkpoint = [&] {
                if (++saves == 11) io::save_checkpoint(t, file, "run"); // after the second batch of the fourth epoch
            };
            t.fit(samples, nullptr, o);
        }
        auto samples = tiny_loader(resumed);
        trainer t{resumed, joint<all>{}, optim::adamw{.lr = 1e-2}, batch{4}, how};
        io::load_checkpoint(t, file, "run");
        t.fit(samples, nullptr, {.epochs = 5, .keep_best = false});
        CHECK(same_bits(whole.parameters(), resumed.parameters()));
        CHECK(same_bits(whole.statistics(), resumed.statistics()));
    }
}

TEST_CASE("a checkpoint of another policy, of another option of it, or of another average is refused") {
    const test::temporary_folder f;
    model<tiny> m{seed{1}};
    const auto trainer_with = [&](train_options how) { return trainer{m, joint<all>{}, optim::adamw{}, batch{4}, std::move(how)}; };
    auto saved = trainer_with({.balance = balance::cagrad{.c = 0.5}});
    io::save_checkpoint(saved, f / "run.safetensors", "run");
    for (const train_options& how : {train_options{.balance = balance::pcgrad{}}, train_options{.balance = balance::cagrad{.c = 0.4}},
                                     train_options{}, train_options{.balance = balance::cagrad{}, .loss_average = 0.9}}) {
        auto t = trainer_with(how);
        CHECK_THROWS_WITH_AS(io::load_checkpoint(t, f / "run.safetensors", "run"), doctest::Contains("expected"), file_error);
    }
    auto same = trainer_with({.balance = balance::cagrad{}});
    CHECK_NOTHROW(io::load_checkpoint(same, f / "run.safetensors", "run"));
}

TEST_CASE("looking at the losses behind a step moves nothing") {
    // FAMO's first weights are those of the sum of logarithms, which 3 GM shares up to a factor: Adam's direction is the same.
    model<tiny> once{seed{1}}, twice{seed{1}};
    auto samples = tiny_loader(once);
    const auto b = first_batch(samples);
    trainer plain{once, joint<all>{}, optim::adamw{}, batch{4}};
    trainer looking{twice, joint<all>{}, optim::adamw{}, batch{4}, {.balance = balance::famo{}}};
    plain.step(b);
    looking.step(b);
    CHECK(same_bits(once.statistics(), twice.statistics()));
}

TEST_CASE("FAMO sees what its step did, on the same batch with the same dropout") {
    model<dropping, reference<double>> m{seed{1}};
    std::vector<double> before, after;
    auto samples = tiny_loader(m);
    const auto b = first_batch(samples);
    trainer t{m, joint<all>{}, optim::sgd{.lr = 0}, batch{4}, {.balance = spy{&before, &after}}};
    const std::vector<double> losses = t.step(b);
    CHECK(before == losses);
    CHECK(after == losses); // nothing moved: a rate of 0
}

TEST_CASE("checkpointed and cached strategies balance to the same bits") {
    const auto trained = [](auto strategy, const balance::any_policy& p) {
        model<tiny> m{seed{1}};
        auto samples = tiny_loader(m);
        trainer t{m, strategy, optim::adamw{.lr = 1e-2}, batch{4}, {.balance = p}};
        t.fit(samples, nullptr, {.epochs = 2, .keep_best = false});
        auto values = test::copy(m.parameters());
        values.insert(values.end(), m.statistics().begin(), m.statistics().end());
        return values;
    };
    for (const balance::any_policy& p : {balance::any_policy{balance::pcgrad{}}, balance::any_policy{balance::famo{}}}) {
        CAPTURE(p.text());
        const auto plain = trained(joint<last<2>>{}, p);
        CHECK(same_bits(trained(checkpointed<joint<last<2>>>{}, p), plain));
        CHECK(same_bits(trained(cached<joint<last<2>>>{}, p), plain));
    }
}

TEST_CASE("policies are for joint steps, and those that combine gradients for encoders that train") {
    model<tiny> m{seed{1}};
    CHECK_THROWS_WITH_AS((trainer{m, alternating<all>{}, optim::adamw{}, batch{4}, {.balance = balance::famo{}}}),
                         doctest::Contains("expected a joint strategy, got alternating"), option_error);
    CHECK_THROWS_WITH_AS((trainer{m, joint<frozen>{}, optim::adamw{}, batch{4}, {.balance = balance::pcgrad{}}}),
                         doctest::Contains("got a frozen one"), option_error);
    CHECK_NOTHROW(trainer{m, joint<frozen>{}, optim::adamw{}, batch{4}, {.balance = balance::uncertainty{}}});
    CHECK_THROWS_AS((trainer{m, joint<all>{}, optim::adamw{}, batch{4}, {.loss_average = 1}}), option_error);
}

TEST_CASE("a loss or gradient that is not finite stops every policy") {
    for (const balance::any_policy& p : policies()) {
        CAPTURE(p.text());
        model<tiny> m{seed{1}};
        for (auto& tensor : m.tensors())
            if (tensor.name == "denoise.2.weight")
                std::fill(tensor.values.begin(), tensor.values.end(), std::numeric_limits<float>::infinity());
        auto samples = tiny_loader(m);
        trainer t{m, joint<all>{}, optim::adamw{}, batch{4}, {.balance = p}};
        CHECK_THROWS_WITH_AS(t.step(first_batch(samples)), doctest::Contains("head 'denoise': expected a finite loss"), error);
    }
    // A policy could leave out a gradient that is no number: it never gets to see it.
    balance::balancer b(balance::imtl_g{}, 0, {"one", "two"});
    b.begin([](std::size_t) { return true; });
    balance::inner_products products(0, 2);
    products.set(0, 0, 0, 1);
    CHECK_THROWS_WITH_AS(b.combine(products), doctest::Contains("head 'two': expected a finite gradient"), error);
}

TEST_CASE("heads follow their own loss: surgery on the encoder's gradient leaves theirs as it is") {
    precise plain{seed{1}}, surgery{seed{1}};
    auto samples = tiny_loader(plain);
    const auto b = first_batch(samples);
    trainer{plain, joint<all>{}, optim::sgd{.lr = 0.1}, batch{4}}.step(b);
    trainer{surgery, joint<all>{}, optim::sgd{.lr = 0.1}, batch{4}, {.balance = balance::imtl_g{}}}.step(b);
    for (const char* head : {"denoise", "lungs", "finding"})
        CHECK(test::relative_error(values_of(surgery, head), values_of(plain, head)) < 1e-12);
    CHECK(test::relative_error(values_of(surgery, "encoder"), values_of(plain, "encoder")) > 1e-6);
}

TEST_CASE("the moving average of losses takes their scale out of a step") {
    // Losses in their first step are divided by themselves: the gradient of head i is that of log L_i.
    precise m{seed{1}};
    auto samples = tiny_loader(m);
    const auto b = first_batch(samples);
    precise reference_model = m.clone();
    trainer plain{reference_model, joint<all>{}, optim::sgd{.lr = 0}, batch{4}};
    trainer averaged{m, joint<all>{}, optim::sgd{.lr = 0}, batch{4}, {.loss_average = 0.9}};
    const std::vector<double> loss = plain.step(b);
    averaged.step(b);
    const auto raw = plain.gradients(), divided = averaged.gradients();
    for (std::size_t i = 0; i < raw.size(); ++i) {
        const int head = raw[i].owner - 3;
        if (head < 0) continue;
        for (std::size_t k = 0; k < raw[i].values.size(); ++k)
            REQUIRE(divided[i].values[k] == doctest::Approx(raw[i].values[k] / loss[static_cast<std::size_t>(head)]).epsilon(1e-9));
    }
}

namespace balance_training {

/// A loss a thousand times too loud.
struct loud_l1 : loss::l1 {
    template <class T>
    double evaluate(tensor_view<const T> logits, tensor_view<const float> targets, std::span<const std::uint8_t> present, double weight,
                    tensor_view<std::type_identity_t<T>> gradient, loss::workspace room = {}) const {
        return 1000 * loss::l1::evaluate(logits, targets, present, 1000 * weight, gradient, room);
    }
};
struct unequal : network<test::tiny_encoder,
    head<"denoise", test::tiny_decoder, loud_l1>,
    head<"lungs", test::tiny_decoder, loss::dice_bce>> {};

} // namespace balance_training

TEST_CASE("a loud task drowns a quiet one, and policies that balance scales save it") {
    // One small step length for the whole gradient, as clipping gives it: what the loud task takes, the quiet one lacks.
    const auto quiet_loss = [](const balance::any_policy& p, double average) {
        model<unequal> m{seed{1}};
        auto samples = tiny_loader(m);
        trainer t{m, joint<all>{}, optim::sgd{.lr = 0.05}, batch{4}, {.balance = p, .loss_average = average, .clip_norm = 1}};
        const history h = t.fit(samples, nullptr, {.epochs = 20, .keep_best = false});
        return h.epochs.back().train_loss[1] / h.epochs.front().train_loss[1];
    };
    const double drowned = quiet_loss({}, 0);
    for (const balance::any_policy& p : {balance::any_policy{balance::geometric_mean{}}, balance::any_policy{balance::famo{}}}) {
        CAPTURE(p.text());
        CHECK(quiet_loss(p, 0) < 0.9 * drowned);
    }
    CHECK(quiet_loss({}, 0.9) < 0.9 * drowned);
}
