// SPDX-License-Identifier: MIT
#include <umsrep/optim/sgd.hpp>

#include <tests/optim/check_optimizer.hpp>
#include <tests/support/message_of.hpp>

using namespace umsrep;

TEST_CASE("ten steps of SGD are PyTorch's, plain, with momentum, and with Nesterov's and weight decay") {
    test::check_against_pytorch(optim::sgd{}, "sgd");
    test::check_against_pytorch(optim::sgd{.lr = 0.05, .momentum = 0.9}, "sgd_momentum");
    test::check_against_pytorch(optim::sgd{.lr = 0.05, .momentum = 0.9, .nesterov = true, .weight_decay = 0.1}, "sgd_nesterov");
}

TEST_CASE("SGD updates parts of the parameters, on any number of threads, to the bits of the whole") {
    test::check_parts(optim::sgd{.lr = 0.05, .momentum = 0.9, .nesterov = true, .weight_decay = 0.1});
    test::check_threads(optim::sgd{.lr = 0.05, .momentum = 0.9, .nesterov = true, .weight_decay = 0.1});
}

TEST_CASE("an update refuses arrays of different lengths and a step 0") {
    std::vector<float> w(3), g(2), b(3);
    const auto message = [&](std::span<const float> gradient, std::int64_t step) {
        return test::message_of<error>([&] { optim::sgd{}.update(std::span{w}, gradient, {b}, step, 0.1, 0.0); });
    };
    CHECK(message(g, 1) == "sgd gradient: expected 3 elements, got 2");
    CHECK(message(b, 0) == "sgd step: expected a count from 1, got 0");
}
