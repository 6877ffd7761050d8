// SPDX-License-Identifier: MIT
// Whole runs on a device: `fit` in all its forms, checkpoints, what goes wrong while a step is computed.
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tests/cuda/training/on_device.hpp>
#include <tests/support/message_of.hpp>
#include <tests/support/temporary_folder.hpp>
#include <umsrep/io/checkpoint.hpp>

using namespace umsrep;
using namespace umsrep::test;
using cuda::precision;

TEST_CASE(
    "fit on a device gives the reference's history and keeps its best weights; it tells of every batch in order, one step "
    "later") {
    dropping_on_host h{seed{1}, batch{4}};
    on_device<precision::fp32> d{seed{1}, batch{4}};
    const auto run = [](auto& m) {
        auto samples = tiny_loader(m, {10, some_labels}), valid = tiny_loader(m, {7}, 4, false);
        std::vector<std::pair<std::size_t, std::vector<double>>> told;
        fit_options o{.epochs = 4};
        o.on_batch = [&](const batch_report& r) { told.emplace_back(r.batch, *r.loss); };
        train_options how{.schedule = schedule::cosine{.warmup = 2}};
        how.average = optim::ema{.decay = 0.7};
        history past = fit(m, joint<all>{}, samples, valid, calm_adamw, o, how);
        return std::pair{std::move(past), std::move(told)};
    };
    const auto [expected, told_on_host] = run(h);
    const auto [got, told] = run(d);
    REQUIRE(got.epochs.size() == expected.epochs.size());
    for (std::size_t e = 0; e < got.epochs.size(); ++e) {
        INFO("epoch " << e);
        CHECK(relative_error(got.epochs[e].train_loss, expected.epochs[e].train_loss) < 1e-4);
        CHECK(relative_error(got.epochs[e].valid_loss, expected.epochs[e].valid_loss) < 1e-3);
        CHECK(got.epochs[e].learning_rate == expected.epochs[e].learning_rate);
        CHECK(got.epochs[e].best == expected.epochs[e].best);
    }
    REQUIRE(told.size() == 12);
    for (std::size_t i = 0; i < told.size(); ++i) {
        CHECK(told[i].first == told_on_host[i].first);
        for (std::size_t k = 0; k < 3; ++k)
            if (!std::isnan(told_on_host[i].second[k]))
                CHECK(told[i].second[k] == doctest::Approx(told_on_host[i].second[k]).epsilon(1e-3));
    }
    CHECK(relative_error(parameters_of(d), parameters_of(h)) < 1e-3);
    auto images = tiny_loader(h, {5}, 5, false);
    images.start(0);
    const auto b = *images.next();
    const auto on_host = h.predict(b.images), on_the_device = d.predict(b.images);
    for (std::size_t k = 0; k < 3; ++k) CHECK(relative_error(on_the_device.outputs[k], on_host.outputs[k]) < 1e-2);
}

/// The queue of computation goes on whenever it can, where the default one lets copies go first.
struct computes_first : host_machine {
    computes_first() : host_machine(cuda::queue::compute) {}
};

TEST_CASE("batches are waited for, whichever of a device's queues is faster") {
    const auto run = []<class Machine>(std::type_identity<Machine>) {
        dropping_on<precision::fp32, Machine> m{seed{1}, batch{4}};
        auto samples = tiny_loader(m, {10, some_labels}), valid = tiny_loader(m, {7}, 4, false);
        fit(m, alternating<all>{}, samples, valid, calm_adamw, {.epochs = 3});
        return parameters_of(m);
    };
    CHECK(same_bits(run(std::type_identity<computes_first>{}), run(std::type_identity<host_machine>{})));
}

TEST_CASE("independent tasks part on a device as they do on the host") {
    task_models<dropping, reference<float>> h{dropping_on_host{seed{1}, batch{4}}};
    task_models<dropping, on_cuda<precision::fp32, host_machine>> d{on_device<precision::fp32>{seed{1}, batch{4}}};
    auto samples = tiny_loader(h.of(0), {6});
    const fit_options o{.epochs = 1, .keep_best = false};
    fit(h, independent<last<1>>{}, samples, nullptr, calm_sgd, o);
    fit(d, independent<last<1>>{}, samples, nullptr, calm_sgd, o);
    REQUIRE(d.size() == 3);
    for (int k = 0; k < 3; ++k) CHECK(relative_error(parameters_of(d.of(k)), parameters_of(h.of(k))) < 2e-4);
}

TEST_CASE("phases on a device are the host's") {
    dropping_on_host h{seed{1}, batch{4}};
    on_device<precision::fp32> d{seed{1}, batch{4}};
    auto samples = tiny_loader(h, {6});
    train_options how{.random = seed{2}};
    how.l2_sp = l2_sp{};
    const auto run = [&](auto& m) {
        const auto past = fit(m, linear_probe_then_fine_tune(1, 1, 0.5), samples, nullptr, calm_sgd, {.keep_best = false}, how);
        CHECK(past.size() == 2);
    };
    run(h);
    run(d);
    CHECK(relative_error(parameters_of(d), parameters_of(h)) < 2e-4);
}

TEST_CASE("stage 1 on a device: an encoder from images without labels") {
    struct noisy_disc {
        std::size_t size() const { return 8; }
        data::sample get(std::size_t i, random_stream& r) const {
            data::sample s = tiny_dataset{}.get(i, r);
            s.labels.clear();
            return s;
        }
    };
    const auto learn = [&]<class Backend>(std::type_identity<Backend>) {
        using source_type = source::denoising<>;
        return pretrain<tiny_encoder, source_type, Backend>(
            noisy_disc{}, noisy_disc{}, calm_sgd,
            {.modality = "CXR", .batch_size = 4, .loading_threads = 0, .later = true, .run = {.epochs = 2}});
    };
    auto h = learn(std::type_identity<reference<float>>{});
    auto d = learn(std::type_identity<on_cuda<precision::fp32, host_machine>>{});
    CHECK(relative_error(parameters_of(d.net), parameters_of(h.net)) < 2e-4);
    CHECK(d.record.training.epochs.size() == 2);
}

TEST_CASE_TEMPLATE("a run that is saved, and restored into another trainer, ends in the same bits", T,
                   std::integral_constant<precision, precision::fp32>, std::integral_constant<precision, precision::bf16>,
                   std::integral_constant<precision, precision::fp16>) {
    const temporary_folder folder;
    train_options how{.clip_norm = 1};
    how.l2_sp = l2_sp{};
    how.average = optim::ema{.decay = 0.9};
    on_device<T::value> a{seed{1}, batch{4}}, b{seed{2}, batch{4}};
    auto samples = tiny_loader(a, {12, some_labels});
    trainer whole{a, alternating<all>{}, calm_adamw, batch{4}, how}, second{b, alternating<all>{}, calm_adamw, batch{4}, how};
    samples.start(0);
    std::vector<data::batch> batches;
    while (auto next = samples.next()) batches.push_back(std::move(*next));
    for (int i = 0; i < 4; ++i) whole.step(batches[static_cast<std::size_t>(i % 3)]);
    io::save_checkpoint(whole, folder / "c", "run");
    io::load_checkpoint(second, folder / "c", "run");
    for (int i = 4; i < 9; ++i) {
        const std::vector<double> losses = whole.step(batches[static_cast<std::size_t>(i % 3)]);
        CHECK(same_bits(second.step(batches[static_cast<std::size_t>(i % 3)]), losses));
    }
    CHECK(same_bits(parameters_of(a), parameters_of(b)));
    CHECK(same_bits(copy(std::as_const(a).statistics()), copy(std::as_const(b).statistics())));
}

TEST_CASE(
    "who saves in on_batch and stops there goes on, in another trainer or in this one, to the same bits as a run that was left "
    "alone") {
    check_stopped_run([](auto& m) { return tiny_loader(m, {12, some_labels}); }, 2, 4);
}

/// `tiny`, of which one draw fails, once.
struct failing_dataset {
    tiny_dataset all;
    std::shared_ptr<int> draws_left;
    std::size_t size() const { return all.size(); }
    data::sample get(std::size_t i, random_stream& r) const {
        if ((*draws_left)-- == 0) throw file_error("a sample's file", "to be there", "none");
        return all.get(i, r);
    }
};

TEST_CASE(
    "a step that was computed while the loader failed counts: the run goes on behind it, to the bits of one that did not fail") {
    for (const bool told : {false, true})
        for (const int draw : {5, 9, 14}) { // in the second and third batch, and in the first of the next epoch
            on_device<precision::bf16> alone{seed{1}, batch{4}}, broken{seed{1}, batch{4}};
            data::loader_options how{.random = seed{9}, .threads = 0};
            data::loader sound{tiny_dataset{.count = 12}, 4, alone.image(), head_specs(alone), how};
            data::loader fails{failing_dataset{{.count = 12}, std::make_shared<int>(draw)}, 4, alone.image(), head_specs(alone),
                               how};
            fit_options o{.epochs = 2, .keep_best = false};
            std::vector<std::size_t> batches;
            if (told) o.on_batch = [&](const batch_report& r) { batches.push_back(r.batch); };
            trainer a{alone, joint<all>{}, calm_adamw, batch{4}}, b{broken, joint<all>{}, calm_adamw, batch{4}};
            const history expected = a.fit(sound, nullptr, o);
            batches.clear();
            CHECK(message_of<file_error>([&] { b.fit(fails, nullptr, o); }) == "a sample's file: expected to be there, got none");
            const history got = b.fit(fails, nullptr, o);
            INFO("draw " << draw);
            CHECK(same_bits(parameters_of(alone), parameters_of(broken)));
            for (std::size_t e = 0; e < 2; ++e) CHECK(same_bits(got.epochs.at(e).train_loss, expected.epochs.at(e).train_loss));
            if (told) CHECK(batches == std::vector<std::size_t>{1, 2, 3, 1, 2, 3});
        }
}

TEST_CASE(
    "where the loader fails and the step that was computed meanwhile fails, too, the loader's failure is told first, then the "
    "step's") {
    on_device<precision::fp32> m{seed{1}, batch{4}};
    data::loader fails{
        failing_dataset{{.count = 12}, std::make_shared<int>(5)}, 4, m.image(), head_specs(m), {.random = seed{9}, .threads = 0}};
    trainer t{m, joint<all>{}, calm_adamw, batch{4}};
    m.parameters()[m.parameters().size() - 1] = std::numeric_limits<float>::infinity(); // the first step's gradient is not finite
    const std::string message = message_of<file_error>([&] { t.fit(fails, nullptr, {.epochs = 1}); });
    INFO(message);
    CHECK(message.find("a sample's file: expected to be there, got none; and when the step before was ended: training step 1, "
                       "batch of 'tiny ") == 0);
    CHECK(message.find("expected a finite gradient") != std::string::npos);
}

TEST_CASE("a run begun on the host goes on on a device") {
    const temporary_folder folder;
    dropping_on_host h{seed{1}, batch{4}};
    on_device<precision::fp32> d{seed{2}, batch{4}};
    auto samples = tiny_loader(h);
    trainer on_host{h, joint<all>{}, calm_adamw, batch{4}};
    trainer there{d, joint<all>{}, calm_adamw, batch{4}};
    samples.start(0);
    const auto b = *samples.next();
    for (int i = 0; i < 3; ++i) on_host.step(b);
    io::save_checkpoint(on_host, folder / "c", "run");
    io::load_checkpoint(there, folder / "c", "run");
    for (int i = 0; i < 3; ++i) {
        on_host.step(b);
        there.step(b);
    }
    CHECK(relative_error(parameters_of(d), parameters_of(h)) < 2e-4);
}

TEST_CASE("in fit, too, where the next batch has begun already, nothing moves behind a gradient that is not finite") {
    on_device<precision::fp32> m{seed{1}, batch{2}};
    auto samples = tiny_loader(m, {12, some_labels}, 2);
    trainer t{m, joint<all>{}, optim::sgd{.lr = 1e30}, batch{2}};
    std::vector<float> last;
    fit_options o{.epochs = 3};
    const std::string message = message_of<error>([&] { t.fit(samples, nullptr, o); });
    CHECK(message.find("training step 2, batch of 'tiny ") == 0);
    // The first step moved the weights by as much; no later one did, or they would not be finite.
    for (const float w : parameters_of(m)) REQUIRE(std::isfinite(w));
    // Neither the step that failed nor the one behind it counts: who goes on begins with the same batch again.
    CHECK(message_of<error>([&] { t.fit(samples, nullptr, o); }) == message);
}

TEST_CASE("a refused target is told from the batch that it is in, also where somebody validates while that batch is on its way") {
    struct wrong_dataset {
        tiny_dataset all{.count = 16};
        std::size_t size() const { return all.size(); }
        data::sample get(std::size_t i, random_stream& r) const {
            data::sample s = all.get(i, r);
            if (i == 9) s.labels.at(1).value(0, 3, 3) = 255;
            return s;
        }
    };
    const auto refuse = [&](auto& m) {
        data::loader samples{wrong_dataset{}, 4, m.image(), head_specs(m), {.shuffle = false, .threads = 0}};
        auto valid = tiny_loader(m, {4}, 4, false);
        trainer t{m, joint<all>{}, calm_adamw, batch{4}};
        fit_options o{.epochs = 1};
        o.on_batch = [&](const batch_report&) { t.validation_losses(valid); };
        return message_of<label_error>([&] { t.fit(samples, nullptr, o); });
    };
    dropping_on_host h{seed{1}, batch{4}};
    on_device<precision::fp32> d{seed{1}, batch{4}};
    const std::string expected = refuse(h);
    CHECK(expected.find("head 'lungs', batch that begins with 'tiny 8'") == 0);
    CHECK(refuse(d) == expected);
}

TEST_CASE("steps that fp16 left out are told of, counted by epoch, and kept with the run; so is the loss scale that is left") {
    const temporary_folder folder;
    const train_options how{.head_weights = {1000, 1000, 1000}, .clip_norm = 1};
    on_device<precision::fp16> m{seed{1}, batch{4}}, other{seed{2}, batch{4}};
    auto samples = tiny_loader(m);
    trainer t{m, joint<all>{}, calm_sgd, batch{4}, how}, second{other, joint<all>{}, calm_sgd, batch{4}, how};
    CHECK(t.scaling().loss_scale == 65536);
    std::int64_t told = 0;
    fit_options o{.epochs = 1, .keep_best = false};
    o.on_batch = [&](const batch_report& r) {
        told += r.scaling.skipped ? 1 : 0;
        CHECK(r.scaling.loss_scale == t.scaling().loss_scale);
        if (r.batch == 2) io::save_checkpoint(t, folder / "c", "run");
    };
    const history past = t.fit(samples, nullptr, o);
    const epoch_record& first = past.epochs.at(0);
    CHECK(told > 0);
    CHECK(first.skipped_steps == told);
    CHECK(first.loss_scale == std::ldexp(65536.0, -static_cast<int>(told)));
    io::load_checkpoint(second, folder / "c", "run");
    o.on_batch = nullptr;
    const history resumed = second.fit(samples, nullptr, o);
    CHECK(resumed.epochs.at(0).skipped_steps == told);
    CHECK(resumed.epochs.at(0).loss_scale == first.loss_scale);
    io::save_checkpoint(t, folder / "end", "run");
    io::load_checkpoint(second, folder / "end", "run");
    CHECK(second.past().epochs.at(0).skipped_steps == told);
    CHECK(second.past().epochs.at(0).loss_scale == first.loss_scale);

    on_device<precision::fp32> plain{seed{1}, batch{4}};
    trainer u{plain, joint<all>{}, calm_sgd, batch{4}};
    const history floats = u.fit(samples, nullptr, o);
    CHECK(floats.epochs.at(0).skipped_steps == 0);
    CHECK(floats.epochs.at(0).loss_scale == 1);
}

TEST_CASE("an average of the weights begins with them, though fp16 leaves the first step out") {
    on_device<precision::fp16> m{seed{1}, batch{4}};
    auto samples = tiny_loader(m, {12}), valid = tiny_loader(m, {4}, 4, false);
    const std::vector<float> before = parameters_of(m);
    train_options how{.head_weights = {1000, 1000, 1000}};
    how.average = optim::ema{.decay = 0.5};
    fit(m, joint<all>{}, samples, valid, optim::sgd{.lr = 0}, {.epochs = 1}, how); // keeps the best, which is the average
    CHECK(same_bits(parameters_of(m), before));
}
