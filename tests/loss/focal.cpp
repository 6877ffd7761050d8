// SPDX-License-Identifier: MIT
#include <umsrep/loss/focal.hpp>

#include <tests/loss/check_loss.hpp>
#include <tests/support/message_of.hpp>
#include <umsrep/loss/bce.hpp>
#include <umsrep/loss/cross_entropy.hpp>

using namespace umsrep;
using test::loss_case;

TEST_CASE("focal loss is the formula of Lin et al. under PyTorch's autograd") {
    test::check_against_pytorch(loss::focal{}, "focal.masks");
    test::check_against_pytorch(loss::focal{.gamma = 1.5, .alpha = std::nullopt}, "focal.soft");
    test::check_against_pytorch(loss::focal{.gamma = 0.0, .alpha = 0.6}, "focal.gamma_0");
    test::check_against_pytorch(loss::focal_cross_entropy{}, "focal_cross_entropy.classes");
    test::check_against_pytorch(
        loss::focal_cross_entropy{.gamma = 1.5, .class_weights = {0.5, 1.0, 3.0, 0.0}, .ignore_label = 255},
        "focal_cross_entropy.map");
}

TEST_CASE("the gradient of focal loss is the slope of its value") {
    for (const std::uint64_t s : {1u, 2u, 3u}) {
        CAPTURE(s);
        random_stream random{seed{s}, "focal"};
        const shape size{3, 1 + static_cast<int>(random.below(5)), 1 + static_cast<int>(random.below(5))};
        const auto c = test::random_case(random, size, size, 2.0, [](random_stream& r) { return r.uniform(); });
        test::check_gradient(loss::focal{}, c, random);
        test::check_gradient(loss::focal{.gamma = 0.5, .alpha = std::nullopt}, c, random);
        test::check_nothing_present(loss::focal{}, c);
        const auto m = test::random_case(random, size, {1, size.h, size.w}, 2.0,
                                         [](random_stream& r) { return static_cast<float>(r.below(3)); });
        test::check_gradient(loss::focal_cross_entropy{}, m, random);
        test::check_gradient(loss::focal_cross_entropy{.gamma = 0.5, .class_weights = {1.0, 0.5, 2.0}}, m, random);
        test::check_nothing_present(loss::focal_cross_entropy{}, m);
    }
}

TEST_CASE("focal loss with gamma 0 and no weights is cross-entropy") {
    random_stream random{seed{4}, "focal"};
    auto c = test::random_case(random, {3, 2, 2}, {3, 2, 2}, 2.0, [](random_stream& r) { return r.uniform(); });
    CHECK(c.value(loss::focal{.gamma = 0.0, .alpha = std::nullopt}) == doctest::Approx(c.value(loss::bce{})).epsilon(1e-14));
    auto m =
        test::random_case(random, {3, 2, 2}, {1, 2, 2}, 2.0, [](random_stream& r) { return static_cast<float>(r.below(3)); });
    CHECK(m.value(loss::focal_cross_entropy{.gamma = 0.0}) == doctest::Approx(m.value(loss::cross_entropy{})).epsilon(1e-14));
}

TEST_CASE("focal loss and its gradient are finite for certain outputs, right or wrong, whatever gamma") {
    for (const double gamma : {0.0, 0.5, 2.0}) {
        CAPTURE(gamma);
        loss_case<float> c{1, {1, 1, 4}, {1, 1, 4}, {1e4f, -1e4f, 1e4f, -1e4f}, {1, 0, 0, 1}, {}};
        CHECK(c.evaluate(loss::focal{.gamma = gamma, .alpha = std::nullopt}) == doctest::Approx(5e3));
        CHECK(c.gradient == std::vector<float>{0.0f, 0.0f, 0.25f, -0.25f});
        loss_case<float> m{2, {2, 1, 1}, {1, 1, 1}, {1e4f, -1e4f, 1e4f, -1e4f}, {0, 1}, {}};
        CHECK(m.evaluate(loss::focal_cross_entropy{.gamma = gamma}) == doctest::Approx(1e4));
        CHECK(m.gradient == std::vector<float>{0.0f, 0.0f, 0.5f, -0.5f});
    }
}

TEST_CASE("options of focal loss that make no sense are refused") {
    loss_case<float> c{1, {1, 1, 1}, {1, 1, 1}, {0}, {0}, {}};
    CHECK(test::message_of<option_error>([&] { c.evaluate(loss::focal{.gamma = -1.0}); }) ==
          "focal gamma: expected a finite value >= 0, got -1");
    CHECK(test::message_of<option_error>([&] { c.evaluate(loss::focal{.alpha = 2.0}); }) ==
          "focal alpha: expected a value in [0, 1], got 2");
    c.target[0] = -0.5f;
    CHECK(test::message_of<label_error>([&] { c.evaluate(loss::focal{}); }) ==
          "focal target of sample 0: expected values in [0, 1], got -0.5");
}
