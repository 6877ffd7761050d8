// SPDX-License-Identifier: MIT
#include <umsrep/loss/charbonnier.hpp>

#include <tests/loss/check_loss.hpp>
#include <tests/support/message_of.hpp>

using namespace umsrep;
using test::loss_case;

TEST_CASE("the Charbonnier loss is PyTorch's, value and gradient") {
    test::check_against_pytorch(loss::charbonnier{}, "charbonnier");
}

TEST_CASE("the gradient of the Charbonnier loss is the slope of its value") {
    for (const std::uint64_t s : {1u, 2u, 3u}) {
        CAPTURE(s);
        random_stream random{seed{s}, "charbonnier"};
        const shape size{2, 1 + static_cast<int>(random.below(6)), 1 + static_cast<int>(random.below(6))};
        const auto c = test::random_case(random, size, size, 1.0, [](random_stream& r) { return r.uniform(); });
        test::check_gradient(loss::charbonnier{.epsilon = 0.1}, c, random);
        test::check_nothing_present(loss::charbonnier{}, c);
    }
}

TEST_CASE("the Charbonnier loss is flat where output and target agree") {
    loss_case<float> c{1, {1, 1, 2}, {1, 1, 2}, {0.25f, 0.5f}, {0.25f, 0.5f}, {}};
    CHECK(c.evaluate(loss::charbonnier{}) == 1e-3);
    CHECK(c.gradient == std::vector<float>{0.0f, 0.0f});
}

TEST_CASE("the Charbonnier loss refuses a present target that is not a number") {
    loss_case<float> c{1, {1, 1, 2}, {1, 1, 2}, {0, 0}, {0, std::numeric_limits<float>::infinity()}, {}};
    CHECK(test::message_of<label_error>([&] { c.evaluate(loss::charbonnier{}); }) ==
          "charbonnier target of sample 0: expected finite values, got inf");
}

TEST_CASE("the Charbonnier loss refuses an epsilon that leaves its tip sharp") {
    loss_case<float> c{1, {1, 1, 1}, {1, 1, 1}, {0}, {0}, {}};
    CHECK(test::message_of<option_error>([&] { c.evaluate(loss::charbonnier{.epsilon = 0.0}); }) ==
          "charbonnier epsilon: expected a finite value > 0, got 0");
}
