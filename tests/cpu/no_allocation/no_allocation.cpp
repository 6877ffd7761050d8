// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <memory>
#include <string>

#include <tests/support/allocations.hpp>

#include <tests/cpu/backends.hpp>
#include <tests/support/graph_data.hpp>
#include <tests/support/random_network.hpp>
#include <tests/support/tiny.hpp>

using namespace umsrep;
using namespace umsrep::test;

#ifdef UMSREP_TEST_COUNTS

TEST_CASE("the count sees operator new") {
    const long before = allocations;
    const auto p = std::make_unique<std::string>(1000, 'x');
    CHECK(p != nullptr);
    CHECK(allocations > before);
}

TEST_CASE_TEMPLATE("training steps and predictions on the CPU backend allocate nothing", Backend, fast, exact_only) {
    for (const int thread_count : {1, 2}) {
        model<tiny, Backend> m{seed{1}, batch{4}, threads{thread_count}};
        auto samples = tiny_loader(m);
        trainer together{m, joint<all>{}, optim::adamw{}, batch{4}};
        trainer in_turn{m, checkpointed<alternating<last<1>>>{}, optim::sgd{}, batch{4}};
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
}

TEST_CASE_TEMPLATE("runs of random networks allocate nothing, not even the first", Backend, fast, exact_only) {
    constexpr seed s{81};
    INFO("seed " << s.value);
    thread_pool pool{2};
    for (std::uint64_t i = 0; i < 60; ++i) {
        INFO("network " << i);
        random_stream r(s, "network", i);
        const graph g = random_network(r).value();
        const graph_data d = draw_data(g, 2, r);
        for (const bool training : {true, false}) {
            mode m{};
            m.training = training;
            executor<Backend> e(g, m, 3, pool);
            std::vector<float> statistics = d.statistics, gradients = d.parameters;
            const auto on_head = [&](int h, tensor_view<float>, tensor_view<float> gradient) {
                const std::vector<float>& from = d.head_gradients[static_cast<std::size_t>(h)];
                if (gradient) std::copy(from.begin(), from.end(), gradient.data);
            };
            const long before = allocations;
            e.set_input(2, d.images.data());
            e.run(2, {d.parameters.data(), statistics.data(), gradients.data(), 0}, d.dropout, d.step_number, on_head);
            const long after = allocations;
            CHECK(after == before);
        }
    }
}

#else
TEST_CASE("runs on the CPU backend allocate nothing") { MESSAGE("skipped: allocations are counted with glibc and without sanitizers only"); }
#endif
