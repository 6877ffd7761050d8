// SPDX-License-Identifier: MIT
#include <umsrep/optim/adam.hpp>

#include <tests/optim/check_optimizer.hpp>

using namespace umsrep;

TEST_CASE("ten steps of Adam are PyTorch's") {
    test::check_against_pytorch(optim::adam{}, "adam");
    test::check_against_pytorch(optim::adam{.lr = 0.02, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-4, .weight_decay = 0.1},
                                "adam_decay");
}

TEST_CASE("Adam updates parts of the parameters, on any number of threads, to the bits of the whole") {
    test::check_parts(optim::adam{.weight_decay = 0.1});
    test::check_threads(optim::adam{.weight_decay = 0.1});
}

TEST_CASE("the first step of Adam has the length of the learning rate whatever the gradient's") {
    test::trained<optim::adam, double> t{{1.0, 1.0, 1.0}};
    t.step(optim::adam{.lr = 0.1}, std::vector{1e-3, -5.0, 1e6}, 1);
    CHECK(t.w[0] == doctest::Approx(0.9).epsilon(1e-5));
    CHECK(t.w[1] == doctest::Approx(1.1).epsilon(1e-8));
    CHECK(t.w[2] == doctest::Approx(0.9).epsilon(1e-8));
}
