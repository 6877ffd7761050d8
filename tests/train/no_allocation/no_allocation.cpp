// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>
#include <memory>

#include <umsrep/train/balance/cagrad.hpp>
#include <umsrep/train/balance/dwa.hpp>
#include <umsrep/train/balance/famo.hpp>
#include <umsrep/train/balance/geometric_mean.hpp>
#include <umsrep/train/balance/gradnorm.hpp>
#include <umsrep/train/balance/imtl.hpp>
#include <umsrep/train/balance/pcgrad.hpp>
#include <umsrep/train/balance/random_weights.hpp>
#include <umsrep/train/balance/uncertainty.hpp>

#include "../../support/allocations.hpp"
#include "../../support/tiny.hpp"

using namespace umsrep;
using test::allocations;
using test::tiny;

TEST_CASE("the count sees operator new") {
#ifdef UMSREP_TEST_COUNTS
    const long before = allocations;
    const auto p = std::make_unique<std::array<int, 100>>();
    CHECK(p != nullptr);
    CHECK(allocations > before);
#else
    MESSAGE("skipped: allocations are counted with glibc and without sanitizers only");
#endif
}

TEST_CASE("training steps and predictions allocate nothing") {
#ifdef UMSREP_TEST_COUNTS
    for (const int thread_count : {1, 2}) {
        model<tiny> m{seed{1}, batch{4}, threads{thread_count}};
        auto samples = test::tiny_loader(m);
        trainer together{m, joint<all>{}, optim::adamw{}, batch{4}, {.clip_norm = 1, .average = optim::ema{}}};
        trainer in_turn{m, alternating<last<1>>{}, optim::sgd{}, batch{4}};
        samples.start(0);
        const auto b = *samples.next();
        auto p = m.predict(b.images);

        const long before = allocations;
        for (int i = 0; i < 3; ++i) {
            together.step(b);
            in_turn.step(b);
            m.predict_into(b.images, p);
        }
        CHECK(allocations == before);
    }
#else
    MESSAGE("skipped: allocations are counted with glibc and without sanitizers only");
#endif
}

TEST_CASE("balanced training steps allocate nothing") {
#ifdef UMSREP_TEST_COUNTS
    const balance::any_policy policies[] = {balance::uncertainty{}, balance::dwa{},    balance::random_weights{}, balance::geometric_mean{},
                                            balance::famo{},        balance::imtl_l{}, balance::gradnorm{},       balance::pcgrad{},
                                            balance::cagrad{},      balance::imtl_g{}, balance::imtl{}};
    for (const balance::any_policy& p : policies) {
        CAPTURE(p.text());
        model<tiny> m{seed{1}, batch{4}, threads{2}};
        auto samples = test::tiny_loader(m);
        trainer t{m, joint<all>{}, optim::adamw{}, batch{4}, {.balance = p, .loss_average = 0.9}};
        samples.start(0);
        auto b = *samples.next();
        const long before = allocations;
        t.step(b);
        b.heads[1].present.assign(b.size(), 0); // in place: the size stays
        t.step(b);
        CHECK(allocations == before);
    }
#else
    MESSAGE("skipped: allocations are counted with glibc and without sanitizers only");
#endif
}

TEST_CASE("steps on kept features allocate nothing once their samples were seen, nor do L2-SP and norm statistics per task") {
#ifdef UMSREP_TEST_COUNTS
    model<tiny> m{seed{1}, batch{4}, threads{2}}, other{seed{1}, batch{4}, threads{2}};
    auto samples = test::tiny_loader(m);
    trainer on_features{m, cached<joint<last<1>>>{}, optim::adamw{}, batch{4}, {.l2_sp = l2_sp{}}};
    trainer per_task{other, alternating<all, norm_statistics::per_task>{}, optim::adamw{}, batch{4}};
    samples.start(0);
    const auto b = *samples.next();
    auto p = other.predict(b.images);
    on_features.step(b);
    const long before = allocations;
    for (int i = 0; i < 3; ++i) {
        on_features.step(b);
        per_task.step(b);
        other.predict_into(b.images, p);
    }
    CHECK(allocations == before);
#else
    MESSAGE("skipped: allocations are counted with glibc and without sanitizers only");
#endif
}
