// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>
#include <memory>

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
