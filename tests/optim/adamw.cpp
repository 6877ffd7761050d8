// SPDX-License-Identifier: MIT
#include <umsrep/optim/adamw.hpp>

#include <tests/optim/check_optimizer.hpp>

using namespace umsrep;

TEST_CASE("ten steps of AdamW are PyTorch's") {
    test::check_against_pytorch(optim::adamw{}, "adamw");
    test::check_against_pytorch(optim::adamw{.lr = 0.02, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-4, .weight_decay = 0.2},
                                "adamw_decay");
}

TEST_CASE("AdamW updates parts of the parameters, on any number of threads, to the bits of the whole") {
    test::check_parts(optim::adamw{.weight_decay = 0.1});
    test::check_threads(optim::adamw{.weight_decay = 0.1});
}

TEST_CASE("without a gradient AdamW only decays") {
    test::trained<optim::adamw, double> t{{2.0, -4.0}};
    t.step(optim::adamw{.lr = 0.5, .weight_decay = 0.5}, std::vector{0.0, 0.0}, 1);
    CHECK(t.w == std::vector{1.5, -3.0});
}
