// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/io/checkpoint.hpp>

#include "networks.hpp"

/// Training the networks of a session, for whatever computes them.
namespace xray {

/// Calls `f` with the type of the strategy. The trainer is the same class for all of them, so that many cost little more than one.
template <class Trains, class F>
auto with_scheme(const std::string& scheme, F f) {
    if (scheme == "joint") return f(umsrep::joint<Trains>{});
    if (scheme == "alternating") return f(umsrep::alternating<Trains>{});
    if (scheme == "independent") return f(umsrep::independent<Trains>{});
    if (scheme == "separate") return f(umsrep::separate{});
    throw umsrep::option_error("strategy", "joint, alternating, independent or separate", "'" + scheme + "'");
}

template <class F>
auto with_strategy(const description& d, F f) {
    if (d.encoder == "all") return with_scheme<umsrep::all>(d.strategy, f);
    if (d.encoder == "frozen") return with_scheme<umsrep::frozen>(d.strategy, f);
    if (d.encoder == "last1") return with_scheme<umsrep::last<1>>(d.strategy, f);
    if (d.encoder == "last2") return with_scheme<umsrep::last<2>>(d.strategy, f);
    if (d.encoder == "last3") return with_scheme<umsrep::last<3>>(d.strategy, f);
    if (d.encoder == "last4") return with_scheme<umsrep::last<4>>(d.strategy, f);
    throw umsrep::option_error("encoder", "all, frozen or last1 to last4", "'" + d.encoder + "'");
}

template <class Backend>
std::vector<umsrep::history> networks<Backend>::train(const training& how, umsrep::data::loader& samples, umsrep::data::loader& valid) {
    const auto updates = static_cast<std::int64_t>(samples.batches_per_epoch()) * how.epochs;
    umsrep::train_options options{.random = umsrep::derived_seed(umsrep::seed{how.what.seed}, "dropout"),
                                  .schedule = umsrep::schedule::cosine{.warmup = updates / 20, .minimum = 0.01},
                                  .head_weights = how.head_weights,
                                  .clip_norm = 5};

    // Called before each run of the strategy.
    const auto setup = [&](auto& trainer, umsrep::fit_options& run, std::string_view task) {
        trainer.template loss<"finding">().class_weights = how.class_weights;
        if (!task.empty() && !how.what.trains(task)) {
            run.epochs = 0;
            return;
        }
        const std::filesystem::path file = checkpoint_file(how.folder, task);
        const auto save = [&trainer, &how, file] { umsrep::io::save_checkpoint(trainer, file, how.run); };
        run.on_checkpoint = save;
        run.allow_unlabelled_heads = true; // the program has said which heads have none
        run.on_epoch = [&how, name = std::string{task}](const umsrep::epoch_record& r) { how.on_epoch(r, name); };
        run.on_batch = [&how, save, name = std::string{task}](const umsrep::batch_report& r) {
            if (how.on_batch(r, name)) return;
            save();
            throw interrupted{};
        };
        if (how.resume && std::filesystem::exists(file)) umsrep::io::load_checkpoint(trainer, file, how.run);
    };

    const umsrep::fit_options duration{.epochs = how.epochs, .checkpoint_every = how.checkpoint_every};
    return with_strategy(how.what, [&](auto strategy) {
        return umsrep::fit(models_, strategy, samples, &valid, umsrep::optim::adamw{.lr = how.learning_rate, .weight_decay = 0.01},
                           duration, options, setup);
    });
}

} // namespace xray
