// SPDX-License-Identifier: MIT
#include <umsrep/optim/clip.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include <tests/support/fixture.hpp>
#include <tests/support/message_of.hpp>

using namespace umsrep;

TEST_CASE("clipping by norm is PyTorch's, and leaves a short gradient alone") {
    const auto file = test::fixture("optim");
    const auto input = file.values<float>("clip.input");
    auto g = input;
    CHECK(optim::clip_by_norm(std::span{g}, 5.0) == doctest::Approx(file.values<double>("clip.norm.norm").at(0)).epsilon(1e-6));
    const auto expected = file.values<float>("clip.norm");
    for (std::size_t i = 0; i < g.size(); ++i) REQUIRE(g[i] == doctest::Approx(expected[i]).epsilon(1e-6));
    g = input;
    optim::clip_by_norm(std::span{g}, 1e3);
    CHECK(g == input);
    std::vector<double> just_short{3.0, 4.0};
    optim::clip_by_norm(std::span{just_short}, 5.1);
    CHECK(just_short == std::vector{3.0, 4.0});
}

TEST_CASE("gradients in several arrays are clipped by their common norm") {
    std::vector<double> a{3.0}, b{0.0, 4.0};
    const std::vector<std::span<double>> parts{a, b};
    CHECK(optim::clip_by_norm(std::span<const std::span<double>>{parts}, 2.5) == 5.0);
    CHECK(a[0] == doctest::Approx(1.5).epsilon(1e-6));
    CHECK(b[1] == doctest::Approx(2.0).epsilon(1e-6));
}

TEST_CASE("clipping has the same bits with any number of threads and with none") {
    std::vector<float> input(300'007);
    for (std::size_t i = 0; i < input.size(); ++i) input[i] = static_cast<float>(std::sin(0.7 * static_cast<double>(i)));
    auto alone = input;
    const double norm = optim::clip_by_norm(std::span{alone}, 3.0);
    double squares = 0.0;
    for (const float v : input) squares += static_cast<double>(v) * static_cast<double>(v);
    CHECK(norm == doctest::Approx(std::sqrt(squares)).epsilon(1e-13));
    for (const int threads : {1, 3}) {
        thread_pool pool{threads};
        auto together = input;
        CHECK(optim::clip_by_norm(std::span{together}, 3.0, &pool) == norm);
        CHECK(together == alone);
    }
}

TEST_CASE("a norm that is not finite is reported and the gradient left as it was") {
    for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
        std::vector<float> g{1e3f, bad};
        CHECK_FALSE(std::isfinite(optim::clip_by_norm(std::span{g}, 1.0)));
        CHECK(g[0] == 1e3f);
    }
}

TEST_CASE("the norm of large floats does not overflow") {
    std::vector<float> g(4, 1e30f);
    CHECK(optim::clip_by_norm(std::span{g}, 1.0) == doctest::Approx(2e30));
    CHECK(g[0] == doctest::Approx(0.5));
}

TEST_CASE("clipping by value is PyTorch's") {
    const auto file = test::fixture("optim");
    auto g = file.values<float>("clip.input");
    optim::clip_by_value(std::span{g}, 2.0);
    CHECK(g == file.values<float>("clip.value"));
}

TEST_CASE("a limit that lets nothing through is refused") {
    std::vector<float> g{1.0f};
    CHECK(test::one_line_naming(test::message_of<option_error>([&] { optim::clip_by_norm(std::span{g}, 0.0); }), "max_norm"));
    CHECK(test::one_line_naming(test::message_of<option_error>([&] { optim::clip_by_value(std::span{g}, -1.0); }), "max_value"));
}
