// SPDX-License-Identifier: MIT
#include <umsrep/loss/dice_bce.hpp>

#include <tests/loss/check_loss.hpp>
#include <umsrep/loss/bce.hpp>
#include <umsrep/loss/dice.hpp>
#include <tests/support/message_of.hpp>

using namespace umsrep;
using test::loss_case;

TEST_CASE("Dice with cross-entropy is the weighted sum of both under PyTorch's autograd") {
    test::check_against_pytorch(loss::dice_bce{}, "dice_bce.masks");
    test::check_against_pytorch(loss::dice_bce{.dice_weight = 0.7, .bce_weight = 0.2, .smooth = 2.0, .pos_weight = {2.0, 0.5}},
                                "dice_bce.weights");
}

TEST_CASE("the gradient of Dice with cross-entropy is the slope of its value") {
    for (const std::uint64_t s : {1u, 2u, 3u}) {
        CAPTURE(s);
        random_stream random{seed{s}, "dice_bce"};
        const shape size{1, 1 + static_cast<int>(random.below(6)), 1 + static_cast<int>(random.below(6))};
        const auto c =
            test::random_case(random, size, size, 2.0, [](random_stream& r) { return static_cast<float>(r.below(2)); });
        test::check_gradient(loss::dice_bce{.dice_weight = 0.3, .pos_weight = {1.5}}, c, random);
        test::check_nothing_present(loss::dice_bce{}, c);
    }
}

TEST_CASE("each part alone is the loss of its name") {
    random_stream random{seed{4}, "dice_bce"};
    auto c = test::random_case(random, {2, 3, 3}, {2, 3, 3}, 2.0, [](random_stream& r) { return r.uniform(); });
    CHECK(c.evaluate(loss::dice_bce{.bce_weight = 0.0}) == c.evaluate(loss::dice{}));
    CHECK(c.evaluate(loss::dice_bce{.dice_weight = 0.0}) == doctest::Approx(c.evaluate(loss::bce{})).epsilon(1e-15));
}
