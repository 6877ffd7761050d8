// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>

#include <sys/wait.h>
#include <unistd.h>

#include <umsrep/io/resume.hpp>
#include <umsrep/io/weights.hpp>
#include <umsrep/train/phases.hpp>

#include "../../support/bits.hpp"
#include "../../support/temporary_folder.hpp"
#include "../../support/tiny.hpp"

using namespace umsrep;

namespace resume_test {

struct two_stages : encoder<image<1, 16, 16>,
    stage<"e1", conv<4, 3, no_bias>, batch_norm, relu>,
    stage<"e2", max_pool<2>, conv<8, 3, no_bias>, batch_norm, relu>> {};
struct two_tasks : network<two_stages,
    head<"lungs", seq<upsample_bilinear<2>, dropout<0.2>, concat<"e1">, conv<1, 3>>, loss::dice_bce>,
    head<"finding", seq<global_avg_pool, dropout<0.3>, linear<3>>, loss::cross_entropy>> {};

/// Three phases with everything that has a state; `after(batches)` after every batch of this process.
template <class After>
std::vector<history> run(model<two_tasks>& m, const std::filesystem::path& folder, After after) {
    auto samples = test::tiny_loader(m);
    auto valid = test::tiny_loader(m, {6}, 3, false);
    fit_options o{.checkpoint_every = 1};
    int done = 0;
    o.on_batch = [&](const batch_report&) { after(++done); };
    const train_options how{.random = seed{4}, .schedule = schedule::cosine{.warmup = 2}, .l2_sp = l2_sp{.strength = 0.01}};
    return fit(m, phases{phase_of<joint<frozen>>{2}, phase_of<joint<last<1>>>{1, 0.5}, phase_of<joint<all>>{2, 0.25}}, samples, &valid,
               optim::adamw{.lr = 1e-2}, o, how, io::resumable{folder, "the run of this test"});
}

TEST_CASE("phases killed at any moment and resumed end in the bits of phases never killed") {
    const test::temporary_folder f, g;
    model<two_tasks> whole{seed{1}};
    const auto expected = run(whole, f.path(), [](int) {}); // 15 batches, 3 an epoch
    CHECK(f.files() == 3);

    // Each process goes on where the last one was killed: within the first phase, in the second, at its end, in the third.
    int kills = 0;
    const auto result = f / "result.safetensors";
    for (const int batches : {2, 5, 2, 4, 1000}) {
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            model<two_tasks> m{seed{1}};
            run(m, g.path(), [&](int done) {
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
    model<two_tasks> resumed{seed{2}};
    io::load(resumed, result);
    CHECK(test::same_bits(whole.parameters(), resumed.parameters()));
    CHECK(test::same_bits(whole.statistics(), resumed.statistics()));

    model<two_tasks> again{seed{1}}; // all phases are over: their histories come from the checkpoints
    const auto seen = run(again, g.path(), [](int) { FAIL("a finished phase trains"); });
    REQUIRE(seen.size() == expected.size());
    for (std::size_t p = 0; p < seen.size(); ++p) {
        REQUIRE(seen[p].epochs.size() == expected[p].epochs.size());
        for (std::size_t e = 0; e < seen[p].epochs.size(); ++e)
            CHECK(test::same_bits(seen[p].epochs[e].train_loss, expected[p].epochs[e].train_loss));
    }
    CHECK(test::same_bits(whole.parameters(), again.parameters()));
}

} // namespace resume_test
