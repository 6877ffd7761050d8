// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>

#include <sys/wait.h>
#include <unistd.h>

#include <umsrep/io/checkpoint.hpp>
#include <umsrep/io/weights.hpp>

#include "../../support/bits.hpp"
#include "../../support/temporary_folder.hpp"
#include "../../support/tiny.hpp"

using namespace umsrep;
using test::tiny;

namespace {

struct with_dropout : network<test::tiny_encoder,
    head<"lungs", test::tiny_decoder, loss::dice_bce>,
    head<"finding", seq<global_avg_pool, dropout<0.3>, linear<3>>, loss::cross_entropy>> {};

constexpr int epochs = 5;
const std::string run_text = "the run of this test";

train_options how() {
    train_options o;
    o.random = seed{4};
    o.schedule = schedule::cosine{.warmup = 4};
    o.average = optim::ema{.decay = 0.9};
    return o;
}

/// Trains from the checkpoint if there is one; `after(batches)` is called after every batch of this process.
template <class Strategy, class After>
history run(model<with_dropout>& m, const std::filesystem::path& checkpoint, Strategy s, After after) {
    auto samples = test::tiny_loader(m);
    auto valid = test::tiny_loader(m, {6}, 3, false);
    trainer t{m, s, optim::adamw{.lr = 1e-2}, batch{4}, how()};
    if (std::filesystem::exists(checkpoint)) io::load_checkpoint(t, checkpoint, run_text);
    fit_options o{.epochs = epochs, .checkpoint_every = 2};
    o.on_checkpoint = [&] { io::save_checkpoint(t, checkpoint, run_text); };
    int done = 0;
    o.on_batch = [&](const batch_report&) { after(++done); };
    return t.fit(samples, &valid, o);
}

} // namespace

TEST_CASE_TEMPLATE("a run killed at any moment and resumed ends in the bits of one never killed", Strategy, joint<all>, alternating<last<2>>,
                   cached<joint<frozen>>) {
    const test::temporary_folder f;
    model<with_dropout> whole{seed{1}};
    const history expected = run(whole, f / "whole.safetensors", Strategy{}, [](int) {});

    // Each process dies by SIGKILL after a different number of batches; the last one lives to the end.
    const auto checkpoint = f / "killed.safetensors", result = f / "result.safetensors";
    int kills = 0;
    for (const int batches : {1, 3, 4, 5, 1000}) {
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            model<with_dropout> m{seed{1}};
            run(m, checkpoint, Strategy{}, [&](int done) {
                if (done == batches) ::kill(::getpid(), SIGKILL);
            });
            io::save(m, result);
            ::_exit(0);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        if (WIFSIGNALED(status)) kills += WTERMSIG(status) == SIGKILL ? 1 : 0;
    }
    REQUIRE(kills == 4);
    REQUIRE(std::filesystem::exists(result));
    model<with_dropout> resumed{seed{2}};
    io::load(resumed, result);
    CHECK(test::same_bits(whole.parameters(), resumed.parameters()));
    CHECK(test::same_bits(whole.statistics(), resumed.statistics()));

    // The history too, as a further resume of the finished run shows.
    model<with_dropout> again{seed{1}};
    const history seen = run(again, checkpoint, Strategy{}, [](int) {});
    REQUIRE(seen.epochs.size() == expected.epochs.size());
    for (std::size_t e = 0; e < seen.epochs.size(); ++e) {
        CHECK(test::same_bits(seen.epochs[e].train_loss, expected.epochs[e].train_loss));
        CHECK(test::same_bits(seen.epochs[e].valid_loss, expected.epochs[e].valid_loss));
        CHECK(seen.epochs[e].monitor == expected.epochs[e].monitor);
        CHECK(seen.epochs[e].best == expected.epochs[e].best);
    }
}

TEST_CASE("a checkpoint of another run, or no checkpoint at all, is refused by name") {
    const test::temporary_folder f;
    model<with_dropout> m{seed{1}};
    trainer t{m, joint<all>{}, optim::adamw{}, batch{4}};
    io::save_checkpoint(t, f / "c.safetensors", "seed 1");
    CHECK_NOTHROW(io::load_checkpoint(t, f / "c.safetensors", "seed 1"));
    CHECK_THROWS_WITH_AS(io::load_checkpoint(t, f / "c.safetensors", "seed 2"), doctest::Contains("'seed 2'"), file_error);
    io::save(m, f / "m.safetensors");
    CHECK_THROWS_WITH_AS(io::load_checkpoint(t, f / "m.safetensors", "seed 1"), doctest::Contains("checkpoint"), file_error);
}

TEST_CASE("a checkpoint of another strategy is refused and leaves the trainer as it was") {
    const test::temporary_folder f;
    model<with_dropout> m{seed{1}};
    trainer all_of_it{m, joint<all>{}, optim::adamw{}, batch{4}};
    io::save_checkpoint(all_of_it, f / "c.safetensors", "x");
    model<with_dropout> other{seed{2}};
    trainer heads_only{other, joint<frozen>{}, optim::adamw{}, batch{4}};
    const auto before = test::copy(other.parameters());
    CHECK_THROWS_AS(io::load_checkpoint(heads_only, f / "c.safetensors", "x"), file_error);
    CHECK(test::same_bits(before, other.parameters()));
}

TEST_CASE("a checkpoint of the same sizes but another learning rate or other turns is refused with what differs") {
    const test::temporary_folder f;
    model<with_dropout> m{seed{1}};
    trainer t{m, joint<all>{}, optim::adamw{.lr = 1e-3}, batch{4}};
    io::save_checkpoint(t, f / "c.safetensors", "x");
    trainer faster{m, joint<all>{}, optim::adamw{.lr = 1e-2}, batch{4}};
    CHECK_THROWS_WITH_AS(io::load_checkpoint(faster, f / "c.safetensors", "x"), doctest::Contains("learning rate"), file_error);
    trainer in_turn{m, alternating<all>{}, optim::adamw{.lr = 1e-3}, batch{4}};
    CHECK_THROWS_WITH_AS(io::load_checkpoint(in_turn, f / "c.safetensors", "x"), doctest::Contains("expected alternating, got joint"), file_error);
}
