// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include <umsrep/core/random.hpp>
#include <umsrep/train/balance/cagrad.hpp>
#include <umsrep/train/balance/dwa.hpp>
#include <umsrep/train/balance/famo.hpp>
#include <umsrep/train/balance/geometric_mean.hpp>
#include <umsrep/train/balance/gradnorm.hpp>
#include <umsrep/train/balance/imtl.hpp>
#include <umsrep/train/balance/pcgrad.hpp>
#include <umsrep/train/balance/random_weights.hpp>
#include <umsrep/train/balance/uncertainty.hpp>

#include "../../support/bits.hpp"
#include "../../support/fixture.hpp"

using namespace umsrep;

namespace balance_arithmetic {

using vector = std::vector<double>;
using rows = std::vector<vector>;
constexpr double absent = std::numeric_limits<double>::quiet_NaN();

rows rows_of(const io::safetensors& file, const std::string& name) {
    const auto shape = file.shape(name);
    const vector flat = file.values<double>(name);
    const std::size_t width = shape.back();
    rows result;
    for (std::size_t i = 0; i < flat.size(); i += width)
        result.emplace_back(flat.begin() + static_cast<std::ptrdiff_t>(i), flat.begin() + static_cast<std::ptrdiff_t>(i + width));
    return result;
}

double dot(const vector& a, const vector& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

balance::inner_products products_of(const rows& g) {
    balance::inner_products p(1, g.size());
    for (std::size_t i = 0; i < g.size(); ++i)
        for (std::size_t j = i; j < g.size(); ++j) {
            p.set(0, i, j, dot(g[i], g[j]));
            p.set(1, i, j, dot(g[i], g[j]));
        }
    return p;
}

/// What the shared parameters follow.
template <class Policy>
vector combined(Policy& p, const rows& g, const vector& losses) {
    vector coefficients(g.size(), 0.0), sum(g[0].size(), 0.0);
    p.combine(losses, products_of(g), coefficients);
    for (std::size_t i = 0; i < g.size(); ++i)
        for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += coefficients[i] * g[i][k];
    return sum;
}
template <class Policy>
vector combined(Policy p, const rows& g) {
    p.start(g.size());
    return combined(p, g, vector(g.size(), 1.0));
}

rows random_gradients(std::size_t tasks, std::size_t length, std::uint64_t number) {
    random_stream r(seed{3}, "gradients", number);
    rows g(tasks, vector(length));
    for (vector& one : g) {
        const double scale = std::exp(2 * static_cast<double>(r.normal()));
        for (double& v : one) v = scale * static_cast<double>(r.normal());
    }
    return g;
}

} // namespace balance_arithmetic
using namespace balance_arithmetic;

TEST_CASE_TEMPLATE("weights that are learnt or derived from losses are those of the papers' formulas", Policy, balance::uncertainty,
                   balance::imtl_l, balance::dwa, balance::famo, balance::geometric_mean, balance::gradnorm) {
    const io::safetensors file = test::fixture("balance");
    const rows losses = rows_of(file, "losses"), after = rows_of(file, "after"), problems = rows_of(file, "gradients.3");
    std::string name{Policy::name};
    std::replace(name.begin(), name.end(), ' ', '_');
    std::replace(name.begin(), name.end(), '-', '_');
    const rows expected = rows_of(file, name);
    balance::any_policy p = Policy{};
    p.start(3);
    const vector everyone(3, 1.0);
    const std::vector<char> present(3, 1);
    for (std::size_t t = 0; t < losses.size(); ++t) {
        CAPTURE(t);
        p.begin(present);
        vector weights;
        for (std::size_t i = 0; i < 3; ++i) weights.push_back(p.weight(i, losses[t][i]));
        const double common = p.common(losses[t]);
        for (double& w : weights) w *= common;
        CHECK(test::relative_error(weights, expected[t]) < 1e-9);
        if (p.combines()) {
            rows g;
            for (std::size_t i = 0; i < 3; ++i) {
                g.push_back(problems[t % 6 * 3 + i]);
                for (double& v : g.back()) v *= weights[i];
            }
            vector coefficients(3, 0.0);
            p.combine(losses[t], products_of(g), coefficients);
            CHECK(coefficients == everyone);
        }
        p.learn(losses[t]);
        p.observe(losses[t], after[t]);
        p.end_epoch(losses[t]);
    }
}

TEST_CASE("combined gradients are those of the papers' formulas") {
    const io::safetensors file = test::fixture("balance");
    for (const std::size_t tasks : {2U, 3U, 4U}) {
        const std::string suffix = "." + std::to_string(tasks);
        const rows all = rows_of(file, "gradients" + suffix), cagrad = rows_of(file, "cagrad" + suffix),
                   imtl = rows_of(file, "imtl_g" + suffix);
        for (std::size_t problem = 0; problem < 6; ++problem) {
            CAPTURE(tasks);
            CAPTURE(problem);
            const rows g(all.begin() + static_cast<std::ptrdiff_t>(problem * tasks),
                         all.begin() + static_cast<std::ptrdiff_t>((problem + 1) * tasks));
            CHECK(test::relative_error(combined(balance::cagrad{}, g), cagrad[problem]) < 2e-5); // SciPy's minimum is that precise
            CHECK(test::relative_error(combined(balance::imtl_g{}, g), imtl[problem]) < 1e-9);
            const vector surgery = combined(balance::pcgrad{}, g);
            if (tasks == 2) CHECK(test::relative_error(surgery, rows_of(file, "pcgrad.2")[problem]) < 1e-12);
            if (tasks == 3) {
                const rows orders = rows_of(file, "pcgrad.3");
                double nearest = 1;
                for (std::size_t o = 0; o < 8; ++o) nearest = std::min(nearest, test::relative_error(surgery, orders[problem * 8 + o]));
                CHECK(nearest < 1e-12);
            }
        }
    }
}

TEST_CASE("PCGrad: of two tasks none is worked against, and tasks that agree are added up") {
    for (std::uint64_t i = 0; i < 50; ++i) {
        rows g = random_gradients(2, 5, i);
        const bool conflict = dot(g[0], g[1]) < 0;
        const vector d = combined(balance::pcgrad{}, g);
        for (const vector& one : g) CHECK(dot(d, one) >= -1e-12 * dot(one, one));
        if (!conflict)
            CHECK(test::relative_error(
                      d, vector{g[0][0] + g[1][0], g[0][1] + g[1][1], g[0][2] + g[1][2], g[0][3] + g[1][3], g[0][4] + g[1][4]}) < 1e-15);
    }
}

TEST_CASE("PCGrad draws the orders anew in each step, and again the same from its state") {
    const rows g = {{1, 0, 0.1}, {-0.8, 0.5, 0}, {-0.3, -0.9, 0.2}};
    balance::pcgrad p;
    p.start(3);
    rows results;
    for (int step = 0; step < 12; ++step) results.push_back(combined(p, g, {1, 1, 1}));
    CHECK(std::adjacent_find(results.begin(), results.end(), std::not_equal_to<>{}) != results.end());
    balance::pcgrad again;
    again.start(3);
    again.state()[0] = 7;
    CHECK(combined(again, g, {1, 1, 1}) == results[7]);
}

TEST_CASE("CAGrad with c = 0 is the sum") {
    for (std::uint64_t i = 0; i < 10; ++i) {
        const rows g = random_gradients(3, 6, i);
        vector coefficients(3, 0.0);
        balance::cagrad p{.c = 0};
        p.start(3);
        p.combine(vector(3, 1.0), products_of(g), coefficients);
        CHECK(coefficients == vector(3, 1.0));
    }
}

TEST_CASE("CAGrad stays in its ball around the mean and serves the worst served task at least as well as the mean") {
    for (std::uint64_t number = 0; number < 100; ++number) {
        CAPTURE(number);
        const std::size_t tasks = 2 + number % 5;
        const double c = 0.1 + 0.2 * static_cast<double>(number % 4);
        const rows g = random_gradients(tasks, 4, number);
        vector d = combined(balance::cagrad{.c = c}, g), mean(4, 0.0), apart(4);
        for (double& v : d) v *= (1 + c * c) / static_cast<double>(tasks);
        for (const vector& one : g)
            for (std::size_t k = 0; k < 4; ++k) mean[k] += one[k] / static_cast<double>(tasks);
        for (std::size_t k = 0; k < 4; ++k) apart[k] = d[k] - mean[k];
        CHECK(std::sqrt(dot(apart, apart)) <= c * std::sqrt(dot(mean, mean)) * (1 + 1e-9));
        const auto worst = [&](const vector& direction) {
            double least = std::numeric_limits<double>::infinity();
            for (const vector& one : g) least = std::min(least, dot(one, direction));
            return least;
        };
        // No direction of the ball does better: strong duality, so far as the minimum was found; random ones must not.
        CHECK(worst(d) >= worst(mean) - 1e-9 * std::abs(worst(mean)));
        random_stream r(seed{4}, "directions", number);
        for (int trial = 0; trial < 200; ++trial) {
            vector other(4);
            for (double& v : other) v = static_cast<double>(r.normal());
            const double length = std::sqrt(dot(other, other)), radius = c * std::sqrt(dot(mean, mean));
            for (std::size_t k = 0; k < 4; ++k) other[k] = mean[k] + radius * other[k] / length;
            CHECK(worst(other) <= worst(d) + 1e-6 * std::sqrt(dot(mean, mean) * dot(g[0], g[0])));
        }
    }
}

TEST_CASE("IMTL-G projects equally onto all tasks, whatever their scale") {
    for (std::uint64_t i = 0; i < 50; ++i) {
        CAPTURE(i);
        const std::size_t tasks = 2 + i % 4;
        const rows g = random_gradients(tasks, 8, i);
        const vector d = combined(balance::imtl_g{}, g);
        const auto projection = [&](const vector& one) { return dot(d, one) / std::sqrt(dot(one, one)); };
        for (const vector& one : g) CHECK(projection(one) == doctest::Approx(projection(g[0])).epsilon(1e-9));
    }
}

TEST_CASE("IMTL-G of gradients that point the same way, against each other, or are 0") {
    const auto coefficients_of = [](const rows& g) {
        balance::imtl_g p;
        p.start(g.size());
        vector coefficients(g.size(), 0.0);
        p.combine(vector(g.size(), 1.0), products_of(g), coefficients);
        return coefficients;
    };
    const vector same = coefficients_of({{1, 2}, {2, 4}});
    CHECK(same[0] + same[1] == doctest::Approx(2));
    const vector against = combined(balance::imtl_g{}, {{1, 2}, {-3, -6}});
    CHECK(dot(against, against) == doctest::Approx(0));
    CHECK(coefficients_of({{1, 2}, {0, 0}}) == vector{1, 0});
    CHECK(coefficients_of({{0, 0}, {0, 0}}) == vector{0, 0});
}

TEST_CASE_TEMPLATE("a task that takes no part has no influence on the others' gradients", Policy, balance::pcgrad, balance::cagrad,
                   balance::imtl_g, balance::imtl, balance::gradnorm) {
    const rows two = random_gradients(2, 5, 1);
    const rows three = {two[0], random_gradients(1, 5, 2)[0], two[1]};
    balance::inner_products p = products_of(three);
    for (std::size_t i = 0; i < 3; ++i)
        for (std::size_t s = 0; s < 2; ++s) p.set(s, 1, i, absent);
    Policy with, without;
    with.start(3);
    without.start(2);
    vector of_three(3, 0.0), of_two(2, 0.0);
    with.combine(vector{1, absent, 2}, p, of_three);
    without.combine(vector{1, 2}, products_of(two), of_two);
    CHECK(of_three[0] == doctest::Approx(of_two[0]));
    CHECK(of_three[2] == doctest::Approx(of_two[1]));
}

TEST_CASE("FAMO gives more weight to the task whose loss falls least") {
    balance::famo p;
    p.start(2);
    const std::vector<char> present(2, 1);
    for (int step = 0; step < 20; ++step) {
        p.begin(present);
        p.observe(vector{1, 1}, vector{0.5, 0.99}); // the first falls by half
    }
    p.begin(present);
    CHECK(p.weight(1, 1) > 1.2 * p.weight(0, 1));
}

TEST_CASE("FAMO's loss falls along its own gradient") {
    // Two quadratics a (x - c)^2 of very different scale; gradient descent on x with FAMO's weights lowers the sum of z_i log L_i.
    balance::famo p;
    p.start(2);
    const std::vector<char> present(2, 1);
    double x = 0.1;
    const auto losses = [](double at) { return vector{1000 * (at - 1) * (at - 1) + 1, 0.01 * (at + 1) * (at + 1) + 1e-3}; };
    const auto slopes = [](double at) { return vector{2000 * (at - 1), 0.02 * (at + 1)}; };
    for (int step = 0; step < 100; ++step) {
        const vector before = losses(x), slope = slopes(x);
        p.begin(present);
        const double weighted = p.weight(0, before[0]) * slope[0] + p.weight(1, before[1]) * slope[1];
        const vector z = p.z;
        x -= 1e-4 * p.common(before) * weighted;
        const vector after = losses(x);
        CHECK(z[0] * std::log(after[0]) + z[1] * std::log(after[1]) <= z[0] * std::log(before[0]) + z[1] * std::log(before[1]) + 1e-12);
        p.observe(before, after);
    }
}

TEST_CASE("weights of tasks in a step sum to their number") {
    for (const bool all : {true, false}) {
        const std::vector<char> present{1, static_cast<char>(all), 1};
        const vector losses{2, all ? 0.1 : absent, 30};
        const double count = all ? 3 : 2;
        const auto sum = [&](balance::any_policy p) {
            p.start(3);
            p.begin(present);
            double total = 0;
            for (std::size_t i = 0; i < 3; ++i)
                if (present[i] != 0) total += p.weight(i, losses[i]);
            return total * p.common(losses);
        };
        CHECK(sum(balance::random_weights{}) == doctest::Approx(count));
        CHECK(sum(balance::famo{}) == doctest::Approx(count));
        CHECK(sum(balance::gradnorm{}) == doctest::Approx(count));
    }
}

TEST_CASE("random weights differ from step to step and come back with the state") {
    balance::random_weights p, again;
    p.start(2);
    again.start(2);
    const std::vector<char> present(2, 1);
    p.begin(present);
    const double first = p.weight(0, 1);
    const vector state(p.state().begin(), p.state().end());
    p.begin(present);
    CHECK(p.weight(0, 1) != first);
    std::copy(state.begin(), state.end(), again.state().begin());
    again.begin(present);
    CHECK(again.weight(0, 1) == p.weight(0, 1));
}

TEST_CASE("a loss without a logarithm is refused, not bent") {
    const std::vector<char> present(1, 1);
    balance::famo f;
    f.start(1);
    f.begin(present);
    CHECK_THROWS_AS(f.weight(0, -0.1), error);
    CHECK_THROWS_AS(balance::geometric_mean{}.weight(0, -0.1), error);
}

TEST_CASE("gradients in conflict: surgery and conflict-averse steps lower the losing task's loss, plain steps raise it") {
    // A steep valley and a gentle slope the other way: plain descent on the sum follows the valley alone.
    const auto losses = [](const vector& x) {
        return vector{50 * (x[0] - x[1]) * (x[0] - x[1]) + 3 * x[0], 0.5 * (x[0] - 4) * (x[0] - 4)};
    };
    const auto gradients = [](const vector& x) {
        const double steep = 100 * (x[0] - x[1]);
        return rows{{steep + 3, -steep}, {x[0] - 4, 0}};
    };
    const vector start{2, 1.95};
    const auto change_of_worst = [&](auto step) {
        vector x = start;
        const rows g = gradients(x);
        const vector d = step(g);
        for (std::size_t k = 0; k < 2; ++k) x[k] -= 1e-3 * d[k];
        const vector before = losses(start), after = losses(x);
        return std::max(after[0] / before[0], after[1] / before[1]);
    };
    CHECK(change_of_worst([](const rows& g) { return vector{g[0][0] + g[1][0], g[0][1] + g[1][1]}; }) > 1);
    CHECK(change_of_worst([](const rows& g) { return combined(balance::pcgrad{}, g); }) < 1);
    CHECK(change_of_worst([](const rows& g) { return combined(balance::imtl_g{}, g); }) < 1);
    CHECK(change_of_worst([](const rows& g) { return combined(balance::cagrad{.c = 0.9}, g); }) <
          change_of_worst([](const rows& g) { return combined(balance::cagrad{.c = 0}, g); }));
}
