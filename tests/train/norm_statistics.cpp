// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <vector>

#include <umsrep/train/fit_head.hpp>

#include "../support/bits.hpp"
#include "../support/message_of.hpp"
#include "../support/tiny.hpp"

using namespace umsrep;
using test::same_bits;
using test::tiny_loader;

namespace norm_statistics_test {

constexpr auto per_task = norm_statistics::per_task;
constexpr auto adaptive = norm_statistics::adaptive;

struct two_stages : encoder<image<1, 16, 16>,
    stage<"e1", conv<4, 3, no_bias>, batch_norm, relu>,
    stage<"e2", max_pool<2>, conv<8, 3, no_bias>, batch_norm, relu>> {};
struct three_heads : network<two_stages,
    head<"denoise", seq<upsample_bilinear<2>, concat<"e1">, conv<4, 3>, batch_norm, relu, conv<1, 1>>, loss::l1>,
    head<"lungs", seq<upsample_bilinear<2>, conv<4, 1>, batch_norm, relu, conv<1, 3>>, loss::dice_bce>,
    head<"finding", seq<batch_norm, global_avg_pool, linear<3>>, loss::cross_entropy>> {};
using net_model = model<three_heads, reference<float>>;

const fit_options two_epochs{.epochs = 2, .keep_best = false};
const optim::adamw fast{.lr = 1e-2};

xt::xtensor<float, 4> some_images() {
    net_model m{seed{0}};
    auto samples = tiny_loader(m, {5}, 5, false);
    samples.start(0);
    return samples.next()->images;
}

/// A model that has learnt two tasks and not the third.
net_model with_two_tasks() {
    net_model m{seed{1}};
    auto samples = tiny_loader(m, {12, [](std::size_t) { return 3U; }});
    fit_options o = two_epochs;
    o.allow_unlabelled_heads = true;
    fit(m, joint<all>{}, samples, nullptr, fast, o);
    return m;
}

template <class Prediction>
bool same_old_outputs(const Prediction& a, const Prediction& b) {
    return same_bits(a.template get<"denoise">(), b.template get<"denoise">()) &&
           same_bits(a.template get<"lungs">(), b.template get<"lungs">());
}

TEST_CASE("a task that is added to a trained model leaves the outputs of the others as they are, to the bit") {
    const auto images = some_images();
    net_model m = with_two_tasks();
    auto samples = tiny_loader(m), valid = tiny_loader(m, {6}, 3, false);
    const auto before = m.predict(images);
    const history h = fit_head<"finding">(m, samples, &valid, fast, {.epochs = 4});
    const auto after = m.predict(images);
    CHECK(same_old_outputs(before, after));
    CHECK_FALSE(same_bits(before.get<"finding">(), after.get<"finding">()));
    CHECK(h.epochs.back().train_loss[2] < h.epochs.front().train_loss[2]);
    CHECK(std::isnan(h.epochs.back().train_loss[0]));

    // What would not: an encoder whose statistics follow the new task's images.
    net_model drifting = with_two_tasks();
    trainer t{drifting, joint<frozen, adaptive>{}, fast, batch{4}, {}, 4U};
    t.fit(samples, nullptr, two_epochs);
    CHECK_FALSE(same_old_outputs(before, drifting.predict(images)));
}

TEST_CASE("with norm statistics per task, a task may adapt the encoder to its images and the others stay as they are, to the bit") {
    const auto images = some_images();
    net_model m = with_two_tasks();
    const auto before = m.predict(images);
    m.part_statistics();
    CHECK(same_old_outputs(before, m.predict(images)));
    CHECK(same_bits(before.get<"finding">(), m.predict(images).get<"finding">()));
    const auto encoder = test::copy(m.statistics_of(2));
    auto samples = tiny_loader(m);
    fit_head<"finding", alternating<frozen, per_task>>(m, samples, nullptr, fast, two_epochs);
    CHECK(same_old_outputs(before, m.predict(images)));
    CHECK_FALSE(same_bits(before.get<"finding">(), m.predict(images).get<"finding">()));
    CHECK_FALSE(same_bits(encoder, m.statistics_of(2)));
}

TEST_CASE("statistics per task are those that a model of one's own would have") {
    using models = task_models<three_heads, reference<float>>;
    models apart{net_model{seed{1}}}, together{net_model{seed{1}}};
    auto samples = tiny_loader(apart.of(0)), valid = tiny_loader(apart.of(0), {6}, 3, false);
    const auto own = fit(apart, independent<frozen, adaptive>{}, samples, &valid, fast, two_epochs);
    const auto shared = fit(together, independent<frozen, per_task>{}, samples, &valid, fast, two_epochs);
    REQUIRE(apart.size() == 3);
    REQUIRE(together.size() == 1);
    const auto images = some_images();
    const auto expected = apart.predict(images), got = together.predict(images);
    for (std::size_t h = 0; h < 3; ++h) {
        CAPTURE(h);
        CHECK(same_bits(apart.of(static_cast<int>(h)).statistics(), together.of(0).statistics_of(static_cast<int>(h))));
        CHECK(same_bits(expected.outputs[h], got.outputs[h]));
        for (std::size_t e = 0; e < 2; ++e) CHECK(own[h].epochs[e].valid_loss[h] == shared[h].epochs[e].valid_loss[h]);
    }
    CHECK_FALSE(same_bits(together.of(0).statistics_of(0), together.of(0).statistics_of(1)) );
}

TEST_CASE("tasks that take turns move one encoder and their own statistics") {
    net_model m{seed{1}};
    auto samples = tiny_loader(m);
    trainer t{m, alternating<all, per_task>{}, fast, batch{4}};
    samples.start(0);
    for (int turn = 0; turn < 3; ++turn) {
        const auto before = test::copy(m.statistics());
        t.step(*samples.next());
        const std::size_t size = before.size() / 3;
        for (int h = 0; h < 3; ++h)
            CHECK(same_bits(std::span(before).subspan(static_cast<std::size_t>(h) * size, size), m.statistics_of(h)) == (h != turn));
    }
    auto valid = tiny_loader(m, {6}, 3, false);
    const auto losses = t.validation_losses(valid); // each task's by its own statistics: as of a model with that one set
    for (int h = 0; h < 3; ++h) {
        net_model one{seed{2}};
        std::ranges::copy(m.parameters(), one.parameters().begin());
        std::ranges::copy(m.statistics_of(h), one.statistics().begin());
        trainer u{one, joint<all>{}, fast, batch{4}};
        CHECK(u.validation_losses(valid)[static_cast<std::size_t>(h)] == losses[static_cast<std::size_t>(h)]);
    }
}

TEST_CASE("copies of a model with statistics per task predict the same; one set given to such a model goes into all") {
    const auto images = some_images();
    net_model m = with_two_tasks(), common = with_two_tasks();
    auto samples = tiny_loader(m);
    trainer t{m, alternating<frozen, per_task>{}, fast, batch{4}};
    t.fit(samples, nullptr, two_epochs);
    net_model copy = m.clone();
    CHECK(copy.has_task_statistics());
    for (std::size_t h = 0; h < 3; ++h) CHECK(same_bits(copy.predict(images).outputs[h], m.predict(images).outputs[h]));
    copy.predict_only(1);
    CHECK(same_bits(copy.predict(images).outputs[1], m.predict(images).outputs[1]));
    CHECK(copy.predict(images).outputs[0].size() == 0);
    m.assign(common);
    for (std::size_t h = 0; h < 3; ++h) CHECK(same_bits(m.predict(images).outputs[h], common.predict(images).outputs[h]));
    m.initialize(seed{1});
    CHECK(same_bits(m.statistics_of(0), m.statistics_of(2)));
}

TEST_CASE("tasks with statistics of their own cannot step together") {
    net_model m{seed{1}};
    m.part_statistics();
    const auto message = [&](auto strategy) {
        return test::message_of<option_error>([&] { trainer t{m, strategy, fast, batch{4}}; });
    };
    CHECK(message(joint<all>{}) ==
          "a model with norm statistics per task: expected an alternating or independent strategy, not cached, got joint");
    CHECK(message(cached<alternating<frozen>>{}) ==
          "a model with norm statistics per task: expected an alternating or independent strategy, not cached, got cached alternating");
}

} // namespace norm_statistics_test
