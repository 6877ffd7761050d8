// SPDX-License-Identifier: MIT
#include <umsrep/loss/bce.hpp>

#include <limits>

#include <tests/loss/check_loss.hpp>
#include <tests/support/message_of.hpp>

using namespace umsrep;
using test::loss_case;

TEST_CASE("binary cross-entropy is PyTorch's, value and gradient, with hard and soft targets and weights of positives") {
    test::check_against_pytorch(loss::bce{}, "bce.masks");
    test::check_against_pytorch(loss::bce{}, "bce.soft");
    test::check_against_pytorch(loss::bce{{3.0, 0.25}}, "bce.pos_weight");
    test::check_against_pytorch(loss::bce{}, "bce.large_logits");
}

TEST_CASE("the gradient of binary cross-entropy is the slope of its value") {
    for (const std::uint64_t s : {1u, 2u, 3u}) {
        CAPTURE(s);
        random_stream random{seed{s}, "bce"};
        const shape size{2, 1 + static_cast<int>(random.below(6)), 1 + static_cast<int>(random.below(6))};
        const auto c = test::random_case(random, size, size, 2.0, [](random_stream& r) { return r.uniform(); });
        test::check_gradient(loss::bce{}, c, random);
        test::check_gradient(loss::bce{{2.5, 0.5}}, c, random);
        test::check_nothing_present(loss::bce{}, c);
    }
}

TEST_CASE("logits of any size give a finite binary cross-entropy") {
    loss_case<float> c{1, {1, 1, 4}, {1, 1, 4}, {1e30f, -1e30f, 800.0f, -800.0f}, {1, 0, 0, 1}, {}};
    CHECK(c.evaluate(loss::bce{}) == 400.0);
    CHECK(c.gradient == std::vector<float>{0.0f, 0.0f, 0.25f, -0.25f});
}

TEST_CASE("a mask outside [0, 1] is refused with its value and its sample") {
    loss_case<float> c{3, {1, 1, 2}, {1, 1, 2}, {0, 0, 0, 0, 0, 0}, {0, 1, 9, 9, 0.5f, 1.5f}, {1, 0, 1}};
    CHECK(test::message_of<label_error>([&] { c.evaluate(loss::bce{}); }) ==
          "bce target of sample 2: expected values in [0, 1], got 1.5");
    c.target[5] = std::numeric_limits<float>::quiet_NaN();
    CHECK(test::message_of<label_error>([&] { c.evaluate(loss::bce{}); }) ==
          "bce target of sample 2: expected values in [0, 1], got nan");
}

TEST_CASE("arguments that do not fit each other are refused") {
    loss_case<float> c{2, {2, 1, 2}, {1, 1, 2}, std::vector<float>(8), std::vector<float>(4), {}};
    CHECK(test::message_of<shape_mismatch>([&] { c.evaluate(loss::bce{}); }) ==
          "bce target: expected 2 x (2, 1, 2), got 2 x (1, 1, 2)");
    c = {2, {2, 1, 2}, {2, 1, 2}, std::vector<float>(8), std::vector<float>(8), {1, 1, 1}};
    CHECK(test::message_of<shape_mismatch>([&] { c.evaluate(loss::bce{}); }) == "bce presence mask: expected 2 samples, got 3");
    c.present.clear();
    CHECK(test::message_of<option_error>([&] {
              c.evaluate(loss::bce{{1.0, 2.0, 3.0}});
          }) == "bce pos_weight: expected 2 values or none, got 3");
    CHECK(test::message_of<option_error>([&] {
              c.evaluate(loss::bce{{1.0, -2.0}});
          }) == "bce pos_weight: expected finite values >= 0, got -2");
}

TEST_CASE("without a presence mask every sample counts") {
    loss_case<float> c{2, {1, 1, 1}, {1, 1, 1}, {0.3f, -2.0f}, {1, 0}, {}};
    const double all = c.evaluate(loss::bce{});
    c.present = {1, 1};
    CHECK(c.evaluate(loss::bce{}) == all);
}
