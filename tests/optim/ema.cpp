// SPDX-License-Identifier: MIT
#include <umsrep/optim/ema.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include <tests/support/fixture.hpp>
#include <tests/support/message_of.hpp>

using namespace umsrep;

TEST_CASE("the weight average is PyTorch's AveragedModel, whose first update copies") {
    const auto file = test::fixture("optim");
    const auto weights = file.values<double>("adamw_decay.f64"), expected = file.values<double>("ema");
    std::vector<double> average(23, std::numeric_limits<double>::quiet_NaN());
    for (std::size_t k = 0; k < 10; ++k) {
        optim::ema{.decay = 0.9}.update(std::span{average}, std::span{weights}.subspan(k * 23, 23), static_cast<std::int64_t>(k));
        for (std::size_t i = 0; i < 23; ++i) REQUIRE(average[i] == doctest::Approx(expected[k * 23 + i]).epsilon(1e-13));
    }
}

TEST_CASE("warming up, the decay rises from 0 to its limit") {
    const optim::ema e{.decay = 0.99, .warmup = true};
    CHECK(e.decay_after(0) == 0.0);
    CHECK(e.decay_after(7) == doctest::Approx(0.75)); // 1 - 8^(-2/3)
    CHECK(e.decay_after(999) == doctest::Approx(0.99));
    CHECK(e.decay_after(100'000) == 0.99);
    for (int n = 0; n < 1100; ++n) REQUIRE(e.decay_after(n) <= e.decay_after(n + 1));
}

TEST_CASE("the average of weights that stand still is those weights") {
    const std::vector<float> w{0.1f, -3.7f};
    std::vector<float> average(2);
    for (int n = 0; n < 50; ++n) optim::ema{}.update(std::span{average}, w, n);
    CHECK(average == w);
}

TEST_CASE("a weight average has the same bits with any number of threads and with none") {
    std::vector<float> w(200'003), start(200'003);
    for (std::size_t i = 0; i < w.size(); ++i) {
        w[i] = static_cast<float>(i % 1013) * 0.1f;
        start[i] = static_cast<float>(i % 89) * 0.3f;
    }
    auto alone = start;
    optim::ema{}.update(std::span{alone}, w, 5);
    thread_pool pool{3};
    auto together = start;
    optim::ema{}.update(std::span{together}, w, 5, &pool);
    CHECK(together == alone);
    optim::ema{}.update(std::span{together}, w, 0, &pool);
    CHECK(together == w);
}

TEST_CASE("an average of other length and a decay above 1 are refused") {
    std::vector<float> average(2), w(3);
    CHECK(test::message_of<shape_mismatch>([&] { optim::ema{}.update(std::span{average}, w, 0); }) ==
          "ema average: expected 3 elements, got 2");
    CHECK(test::one_line_naming(test::message_of<option_error>([&] { optim::ema{.decay = 1.5}.decay_after(1); }), "ema decay"));
}
