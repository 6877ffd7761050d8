// SPDX-License-Identifier: MIT
#include <umsrep/optim/parameter_group.hpp>

#include <tests/optim/check_optimizer.hpp>
#include <tests/support/message_of.hpp>
#include <umsrep/optim/adamw.hpp>

using namespace umsrep;
using optim::parameter_group;

TEST_CASE("groups with rates and decays of their own step as PyTorch's parameter groups, and what no group covers stays") {
    const auto file = test::fixture("optim");
    const auto gradients = file.values<double>("gradients"), expected = file.values<double>("groups.f64");
    const auto start = file.values<double>("start");
    test::trained<optim::adamw, double> t{start};
    const std::vector<parameter_group> groups{{0, 7, 0.25, 1.0}, {12, 23, 1.0, 0.0}};
    for (std::size_t k = 0; k < 10; ++k) {
        optim::update_groups(optim::adamw{.lr = 0.02, .weight_decay = 0.1}, groups, std::span{t.w},
                             std::span<const double>{gradients}.subspan(k * 23, 23), t.moments(),
                             static_cast<std::int64_t>(k + 1), 0.5);
        for (std::size_t i = 0; i < 23; ++i) REQUIRE(t.w[i] == doctest::Approx(expected[k * 23 + i]).epsilon(1e-14));
    }
    for (std::size_t i = 7; i < 12; ++i) {
        CHECK(t.w[i] == start[i]);
        CHECK(t.state[0][i] == 0.0);
    }
}

TEST_CASE("groups that overlap, run backwards or leave the parameters are refused") {
    const auto message = [](std::vector<parameter_group> groups) {
        return test::message_of<option_error>([&] { optim::check_groups(groups, 10); });
    };
    CHECK(message({{0, 5}, {4, 10}}) == "parameter group 1: expected a range within [5, 10), got [4, 10)");
    CHECK(message({{0, 5}, {5, 11}}) == "parameter group 1: expected a range within [5, 10), got [5, 11)");
    CHECK(message({{3, 2}}) == "parameter group 0: expected a range within [0, 10), got [3, 2)");
    CHECK(test::one_line_naming(message({{0, 5, -1.0}}), "parameter group 0: expected finite scales >= 0, got -1"));
    optim::check_groups({}, 10);
}
