// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <tests/support/message_of.hpp>
#include <umsrep/optim/adam.hpp>
#include <umsrep/optim/adamw.hpp>
#include <umsrep/optim/parameter_group.hpp>
#include <umsrep/optim/sgd.hpp>

using namespace umsrep;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN(), infinite = std::numeric_limits<double>::infinity();

/// What an optimiser says of its settings: asked, in an update of its own, and in one of groups, in the same words.
template <class Optimizer>
std::string refused(const Optimizer& o) {
    std::vector<float> w(3, 1.0f), g(3, 1.0f);
    std::array<std::vector<float>, Optimizer::moments> moments;
    std::array<std::span<float>, Optimizer::moments> state;
    for (std::size_t i = 0; i < moments.size(); ++i) {
        moments[i].assign(3, 0.0f);
        state[i] = moments[i];
    }
    const std::vector<optim::parameter_group> groups{{0, 3}};
    const std::string asked = test::message_of<option_error>([&] { optim::check(o); });
    CHECK(test::message_of<option_error>([&] { o.update(std::span{w}, g, state, 1, o.lr, o.weight_decay); }) == asked);
    CHECK(test::message_of<option_error>([&] {
              optim::update_groups(o, std::span<const optim::parameter_group>{groups}, std::span{w}, g, state, 1);
          }) == asked);
    CHECK(w == std::vector<float>(3, 1.0f));
    return asked;
}

/// One's own, which says nothing of its settings.
struct plain_descent {
    static constexpr int moments = 0;
    double lr = 0.1, weight_decay = 0;
    template <class T>
    void update(std::span<T>, std::span<const T>, std::array<std::span<T>, 0>, std::int64_t, double, double) const {}
};

} // namespace

TEST_CASE("settings that would end in weights that are no numbers are refused by name, and nothing moves") {
    CHECK(refused(optim::sgd{.lr = not_a_number}) == "sgd lr: expected a finite value >= 0, got nan");
    CHECK(refused(optim::sgd{.lr = infinite}) == "sgd lr: expected a finite value >= 0, got inf");
    CHECK(refused(optim::sgd{.lr = -0.1}) == "sgd lr: expected a finite value >= 0, got -0.100000");
    CHECK(refused(optim::sgd{.momentum = 1}) == "sgd momentum: expected a value in [0, 1), got 1.000000");
    CHECK(refused(optim::sgd{.weight_decay = not_a_number}) == "sgd weight_decay: expected a finite value >= 0, got nan");
    CHECK(refused(optim::adam{.lr = not_a_number}) == "adam lr: expected a finite value >= 0, got nan");
    CHECK(refused(optim::adam{.beta1 = -0.5}) == "adam beta1: expected a value in [0, 1), got -0.500000");
    CHECK(refused(optim::adam{.beta2 = not_a_number}) == "adam beta2: expected a value in [0, 1), got nan");
    CHECK(refused(optim::adam{.weight_decay = -1}) == "adam weight_decay: expected a finite value >= 0, got -1.000000");
    CHECK(refused(optim::adamw{.lr = 1e300}).starts_with("adamw lr: expected a finite value >= 0, got 1000"));
    CHECK(refused(optim::adamw{.beta2 = 1}) == "adamw beta2: expected a value in [0, 1), got 1.000000");
    CHECK(refused(optim::adamw{.epsilon = 0}) == "adamw epsilon: expected a finite value > 0, got 0.000000");
    CHECK(refused(optim::adamw{.epsilon = 1e-50}) == "adamw epsilon: expected a finite value > 0, got 0.000000"); // it is 0 in floats
    CHECK(refused(optim::adamw{.weight_decay = infinite}) == "adamw weight_decay: expected a finite value >= 0, got inf");
}

TEST_CASE("a rate of 0, means that keep nothing and no decay are settings like others") {
    for (const auto& o : {optim::adamw{.lr = 0}, optim::adamw{.beta1 = 0, .beta2 = 0}, optim::adamw{.weight_decay = 0}}) CHECK_NOTHROW(optim::check(o));
    CHECK_NOTHROW(optim::check(optim::sgd{.lr = 0, .momentum = 0}));
}

TEST_CASE("an optimiser of one's own that says nothing of its settings is refused bad rates") {
    static_assert(optim::optimizer<plain_descent>);
    CHECK_NOTHROW(optim::check(plain_descent{}));
    CHECK(test::message_of<option_error>([] { optim::check(plain_descent{.lr = not_a_number}); }) == "optimiser lr: expected a finite value >= 0, got nan");
    CHECK(test::message_of<option_error>([] { optim::check(plain_descent{.weight_decay = -1}); }) ==
          "optimiser weight_decay: expected a finite value >= 0, got -1.000000");
}

TEST_CASE("what a schedule or a group makes of a rate is refused, too, where it is no number") {
    std::vector<float> w(3), g(3), m(3), v(3);
    const auto message = [&](double lr, double decay) {
        return test::message_of<option_error>([&] { optim::adam{}.update(std::span{w}, g, {m, v}, 1, lr, decay); });
    };
    CHECK(message(not_a_number, 0) == "adam lr of the step: expected a finite value >= 0, got nan");
    CHECK(message(1, infinite) == "adam weight_decay of the step: expected a finite value >= 0, got inf");
    const std::vector<optim::parameter_group> groups{{0, 3}};
    CHECK(test::message_of<option_error>([&] {
              optim::update_groups(optim::adam{}, std::span<const optim::parameter_group>{groups}, std::span{w}, g, {m, v}, 1, not_a_number);
          }) == "parameter groups' lr factor: expected a finite value >= 0, got nan");
}
