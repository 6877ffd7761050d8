// SPDX-License-Identifier: MIT
#include <umsrep/optim/schedule.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include <tests/support/fixture.hpp>
#include <tests/support/message_of.hpp>

using namespace umsrep;

namespace {

template <class Schedule>
void check_factors(const Schedule& s, const std::string& name) {
    static_assert(schedule::learning_rate<Schedule>);
    const auto expected = test::fixture("optim").values<double>(name);
    for (std::size_t k = 0; k < expected.size(); ++k) {
        CAPTURE(k);
        REQUIRE(s.factor(static_cast<std::int64_t>(k)) == doctest::Approx(expected[k]).epsilon(1e-12));
    }
}

void check_plateau(schedule::plateau s, const std::string& name) {
    CAPTURE(name);
    const auto file = test::fixture("optim");
    const auto metrics = file.values<double>(name + ".metrics"), expected = file.values<double>(name);
    for (std::size_t k = 0; k < metrics.size(); ++k) {
        CAPTURE(k);
        REQUIRE(s.observe(metrics[k]) == doctest::Approx(expected[k]).epsilon(1e-12));
        REQUIRE(s.factor() == s.state.factor);
    }
    CHECK(s.state.factor < 1.0);
}

} // namespace

TEST_CASE("the constant schedule changes nothing") {
    static_assert(schedule::learning_rate<schedule::constant>);
    CHECK(schedule::constant{}.factor(12345) == 1.0);
}

TEST_CASE("the step schedule is PyTorch's StepLR") { check_factors(schedule::step{.every = 7, .gamma = 0.3}, "schedule.step"); }

TEST_CASE("the cosine schedule is PyTorch's CosineAnnealingLR, after LinearLR when it warms up") {
    check_factors(schedule::cosine{.total = 40, .minimum = 0.05}, "schedule.cosine");
    check_factors(schedule::cosine{.total = 40, .warmup = 8, .warmup_start = 0.1}, "schedule.warmup_cosine");
}

TEST_CASE("after its last step the cosine schedule stays at its minimum") {
    const schedule::cosine s{.total = 10, .warmup = 2, .minimum = 0.125};
    CHECK(s.factor(10) == 0.125);
    CHECK(s.factor(1000) == 0.125);
    CHECK(s.factor(2) == 1.0);
}

TEST_CASE("schedules without a length are refused") {
    CHECK(test::message_of<option_error>([] { schedule::cosine{.total = 5, .warmup = 5}.factor(0); }) ==
          "cosine schedule's total: expected more than its 5 steps of warm-up, got 5");
    CHECK(test::message_of<option_error>([] { schedule::step{.every = 0}.factor(0); }) ==
          "step schedule's every: expected a count from 1, got 0");
}

TEST_CASE("the plateau schedule is PyTorch's ReduceLROnPlateau") {
    static_assert(schedule::learning_rate<schedule::plateau>);
    check_plateau({.gamma = 0.5, .patience = 2, .threshold = 0.01}, "plateau.loss");
    check_plateau({.gamma = 0.5, .patience = 1, .cooldown = 3, .minimum = 0.1}, "plateau.cooldown");
    check_plateau({.maximise = true, .gamma = 0.2, .patience = 3}, "plateau.score");
    check_plateau({.patience = 1}, "plateau.nan");
}

TEST_CASE("a plateau schedule restored from its state goes on as if it had never stopped") {
    const auto metrics = test::fixture("optim").values<double>("plateau.cooldown.metrics");
    const schedule::plateau fresh{.gamma = 0.5, .patience = 1, .cooldown = 2};
    for (std::size_t stop = 0; stop < metrics.size(); ++stop) {
        CAPTURE(stop);
        schedule::plateau whole = fresh, first = fresh, second = fresh;
        for (std::size_t k = 0; k < metrics.size(); ++k) {
            if (k == stop) second.state = first.state;
            (k < stop ? first : second).observe(metrics[k]);
            whole.observe(metrics[k]);
        }
        REQUIRE(second.state.best == whole.state.best);
        REQUIRE(second.state.wait == whole.state.wait);
        REQUIRE(second.state.cooldown == whole.state.cooldown);
        REQUIRE(second.state.factor == whole.state.factor);
    }
}
