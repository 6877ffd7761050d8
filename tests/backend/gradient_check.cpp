// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <span>
#include <vector>

#include <umsrep/backend/gradient_check.hpp>

using namespace umsrep;

TEST_CASE("a right gradient passes, and the point is left as it was") {
    std::vector<double> x{0.3, -2.0, 1e3, 0.0};
    const std::vector<double> before = x;
    const auto f = [&] { return std::sin(x[0]) + x[1] * x[1] * x[1] + 2 * x[2] + x[3] * x[0]; };
    const std::vector<double> g{std::cos(x[0]) + x[3], 3 * x[1] * x[1], 2, x[0]};
    CHECK(check_gradient(f, std::span{x}, std::span{g}).relative < 1e-7);
    CHECK(x == before);
}

TEST_CASE("the wrong component is named") {
    std::vector<double> x{1, 2, 3};
    const std::vector<double> g{2, 4.01, 6};
    const gradient_error e = check_gradient([&] { return x[0] * x[0] + x[1] * x[1] + x[2] * x[2]; }, std::span{x}, std::span{g});
    CHECK(e.where == 1);
    CHECK(e.relative == doctest::Approx(0.01 / 4.01).epsilon(1e-4));
    CHECK(e.analytic == 4.01);
    CHECK(e.numeric == doctest::Approx(4));
}

TEST_CASE("a gradient that is no number is an error, and so is one of another size") {
    std::vector<double> x{1};
    const auto f = [&] { return x[0]; };
    const std::vector<double> nan{std::nan("")}, two{1, 1};
    CHECK(std::isinf(check_gradient(f, std::span{x}, std::span{nan}).relative));
    CHECK_THROWS_WITH_AS(check_gradient(f, std::span{x}, std::span{two}), "check_gradient: expected 1 components of the gradient, got 2", shape_mismatch);
}
