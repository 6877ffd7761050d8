// SPDX-License-Identifier: MIT
#include <umsrep/loss/cross_entropy.hpp>

#include <tests/loss/check_loss.hpp>
#include <tests/support/message_of.hpp>

using namespace umsrep;
using test::loss_case;

TEST_CASE("cross-entropy is PyTorch's, value and gradient, for classes and dense maps") {
    test::check_against_pytorch(loss::cross_entropy{}, "cross_entropy.classes");
    test::check_against_pytorch(loss::cross_entropy{.class_weights = {0.5, 1.0, 3.0}}, "cross_entropy.weights");
    test::check_against_pytorch(loss::cross_entropy{}, "cross_entropy.large_logits");
    test::check_against_pytorch(loss::cross_entropy{.ignore_label = 255}, "cross_entropy.map");
    test::check_against_pytorch(loss::cross_entropy{.ignore_label = 255, .label_smoothing = 0.1}, "cross_entropy.smoothing");
    test::check_against_pytorch(
        loss::cross_entropy{.class_weights = {0.5, 1.0, 3.0, 0.0}, .ignore_label = 255, .label_smoothing = 0.2},
        "cross_entropy.weights_smoothing");
}

TEST_CASE("the gradient of cross-entropy is the slope of its value") {
    for (const std::uint64_t s : {1u, 2u, 3u}) {
        CAPTURE(s);
        random_stream random{seed{s}, "cross_entropy"};
        const int classes = 2 + static_cast<int>(random.below(4));
        const shape size{classes, 1 + static_cast<int>(random.below(4)), 1 + static_cast<int>(random.below(4))};
        const auto c = test::random_case(random, size, {1, size.h, size.w}, 2.0, [&](random_stream& r) {
            return static_cast<float>(r.below(static_cast<std::uint32_t>(classes)));
        });
        loss::cross_entropy weighted{.label_smoothing = 0.1};
        for (int k = 0; k < classes; ++k) weighted.class_weights.push_back(0.1 + static_cast<double>(random.uniform()));
        test::check_gradient(loss::cross_entropy{}, c, random);
        test::check_gradient(weighted, c, random);
        test::check_nothing_present(loss::cross_entropy{}, c);
    }
}

TEST_CASE("a sample or pixel with the ignore label teaches nothing") {
    loss_case<double> c{1, {2, 1, 2}, {1, 1, 2}, {1, 5, 2, -5}, {1, -1}, {}};
    const loss::cross_entropy ignoring{.ignore_label = -1};
    const double with = c.evaluate(ignoring);
    CHECK(c.gradient[1] == 0.0);
    CHECK(c.gradient[3] == 0.0);
    loss_case<double> alone{1, {2, 1, 1}, {1, 1, 1}, {1, 2}, {1}, {}};
    CHECK(alone.evaluate(ignoring) == with);
}

TEST_CASE("cross-entropy of nothing but ignored pixels, or of classes without weight, is 0") {
    loss_case<double> c{1, {2, 1, 2}, {1, 1, 2}, {1, 5, 2, -5}, {-100, -100}, {}};
    CHECK(c.evaluate(loss::cross_entropy{}) == 0.0);
    CHECK(c.gradient == std::vector<double>(4, 0.0));
    c.target = {1, 1};
    CHECK(c.evaluate(loss::cross_entropy{.class_weights = {1.0, 0.0}}) == 0.0);
    CHECK(c.gradient == std::vector<double>(4, 0.0));
}

TEST_CASE("logits of any size give a finite cross-entropy") {
    loss_case<float> c{1, {3, 1, 1}, {1, 1, 1}, {3e30f, -3e30f, 0.0f}, {0}, {}};
    CHECK(c.evaluate(loss::cross_entropy{}) == 0.0);
    loss_case<double> close{1, {2, 1, 1}, {1, 1, 1}, {1e15, 1e15}, {0}, {}};
    CHECK(close.evaluate(loss::cross_entropy{}) == doctest::Approx(std::log(2.0)).epsilon(1e-15));
}

TEST_CASE("a label that is no class is refused with its value and its sample") {
    loss_case<float> c{2, {3, 1, 1}, {1, 1, 1}, std::vector<float>(6), {0, 3}, {}};
    const auto message = [&](float label) {
        c.target[1] = label;
        return test::message_of<label_error>([&] { c.evaluate(loss::cross_entropy{}); });
    };
    CHECK(message(3.0f) == "cross_entropy target of sample 1: expected a class 0 to 2 or the ignore label -100, got 3");
    CHECK(message(0.5f) == "cross_entropy target of sample 1: expected a class 0 to 2 or the ignore label -100, got 0.5");
    CHECK(message(-1.0f) == "cross_entropy target of sample 1: expected a class 0 to 2 or the ignore label -100, got -1");
    CHECK(test::one_line_naming(message(std::numeric_limits<float>::quiet_NaN()), "got nan"));
}

TEST_CASE("options of cross-entropy that make no sense are refused") {
    loss_case<float> c{1, {3, 1, 1}, {1, 1, 1}, std::vector<float>(3), {0}, {}};
    CHECK(test::message_of<option_error>([&] {
              c.evaluate(loss::cross_entropy{.class_weights = {1.0, 1.0}});
          }) == "cross_entropy class_weights: expected 3 values or none, got 2");
    CHECK(test::message_of<option_error>([&] { c.evaluate(loss::cross_entropy{.label_smoothing = 1.5}); }) ==
          "cross_entropy label_smoothing: expected a value in [0, 1], got 1.5");
}
