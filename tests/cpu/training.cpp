// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <tests/cpu/backends.hpp>
#include <tests/support/network_fixture.hpp>

using namespace umsrep;
using test::tiny;

TEST_CASE_TEMPLATE("on the CPU backend a U-Net with three heads agrees with PyTorch: losses, gradients, five AdamW steps",
                   Backend, test::fast, test::exact_only) {
    const double t = test::tolerance<Backend>;
    test::check_training_against_pytorch<Backend>({.loss = t, .later_loss = t, .gradient = t, .parameter = t});
}

TEST_CASE_TEMPLATE("what training on the CPU backend allocates is what the constants say", Backend, test::fast, test::exact_only) {
    const auto check = [&](auto strategy, int capacity, int thread_count, memory planned) {
        CAPTURE(thread_count);
        model<tiny, Backend> m{seed{1}, batch{1}, threads{thread_count}};
        trainer t{m, strategy, optim::adamw{}, batch{capacity}};
        planned.activations = planned.activation_gradients = 0; // parts of the arena
        CHECK(t.allocated() == planned);
    };
    check(joint<all>{}, 4, 1, training_memory<tiny, joint<all>, Backend>(batch{4}));
    check(joint<all>{}, 4, 3, training_memory<tiny, joint<all>, Backend>(batch{4}, 2, threads{3}));
    check(joint<last<1>>{}, 3, 2, training_memory<tiny, joint<last<1>>, Backend>(batch{3}, 2, threads{2}));
    check(joint<frozen>{}, 5, 1, training_memory<tiny, joint<frozen>, Backend>(batch{5}));
    check(alternating<all>{}, 4, 2, training_memory<tiny, alternating<all>, Backend>(batch{4}, 2, threads{2}));
    check(checkpointed<joint<all>>{}, 4, 2, training_memory<tiny, checkpointed<joint<all>>, Backend>(batch{4}, 2, threads{2}));
}

TEST_CASE_TEMPLATE("computing inner values twice ends in the same bits", Backend, test::fast, test::exact_only) {
    const auto f = test::fixture("network");
    const data::batch b = test::batch_of(f);
    const auto parameters_after = [&](auto strategy) {
        model<tiny, Backend> m{seed{1}, batch{4}};
        trainer t{m, strategy, optim::adamw{.lr = 1e-2}, batch{4}};
        for (int i = 0; i < 3; ++i) t.step(b);
        auto result = test::copy(m.parameters());
        result.insert(result.end(), m.statistics().begin(), m.statistics().end());
        return result;
    };
    CHECK(test::same_bits(parameters_after(joint<all>{}), parameters_after(checkpointed<joint<all>>{})));
}
