// SPDX-License-Identifier: MIT
#include <umsrep/loss/dice.hpp>

#include <tests/loss/check_loss.hpp>
#include <tests/support/message_of.hpp>

using namespace umsrep;
using test::loss_case;

TEST_CASE("Dice loss is its formula under PyTorch's autograd") {
    test::check_against_pytorch(loss::dice{}, "dice.masks");
    test::check_against_pytorch(loss::dice{.smooth = 0.01}, "dice.smooth");
    test::check_against_pytorch(loss::dice{}, "dice.empty_mask");
}

TEST_CASE("the gradient of Dice loss is the slope of its value") {
    for (const std::uint64_t s : {1u, 2u, 3u}) {
        CAPTURE(s);
        random_stream random{seed{s}, "dice"};
        const shape size{2, 1 + static_cast<int>(random.below(6)), 1 + static_cast<int>(random.below(6))};
        const auto c =
            test::random_case(random, size, size, 2.0, [](random_stream& r) { return static_cast<float>(r.below(2)); });
        test::check_gradient(loss::dice{}, c, random);
        test::check_gradient(loss::dice{.smooth = 0.0}, c, random);
        test::check_nothing_present(loss::dice{}, c);
    }
}

TEST_CASE("Dice loss is 0 for a certain right mask and almost 1 for a certain wrong one") {
    loss_case<double> c{1, {1, 2, 2}, {1, 2, 2}, {900, 900, -900, -900}, {1, 1, 0, 0}, {}};
    CHECK(c.evaluate(loss::dice{}) == 0.0);
    c.target = {0, 0, 1, 1};
    CHECK(c.evaluate(loss::dice{}) == doctest::Approx(1.0 - 1.0 / 5.0));
    CHECK(c.evaluate(loss::dice{.smooth = 0.0}) == 1.0);
}

TEST_CASE("finding nothing where nothing is costs nothing") {
    loss_case<double> c{1, {1, 1, 2}, {1, 1, 2}, {-900, -900}, {0, 0}, {}};
    CHECK(c.evaluate(loss::dice{}) == 0.0);
    CHECK(c.evaluate(loss::dice{.smooth = 0.0}) == 0.0);
    CHECK(c.gradient == std::vector<double>{0.0, 0.0});
}

TEST_CASE("Dice loss refuses masks outside [0, 1] and a negative smoothing") {
    loss_case<float> c{1, {1, 1, 1}, {1, 1, 1}, {0}, {255}, {}};
    CHECK(test::message_of<label_error>([&] { c.evaluate(loss::dice{}); }) ==
          "dice target of sample 0: expected values in [0, 1], got 255");
    CHECK(test::message_of<option_error>([&] { c.evaluate(loss::dice{.smooth = -1.0}); }) ==
          "dice smooth: expected a finite value >= 0, got -1");
}
