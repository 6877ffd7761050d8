// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <umsrep/train/advice.hpp>
#include <umsrep/train/balance/pcgrad.hpp>
#include <umsrep/train/fit.hpp>

#include "../../support/bits.hpp"
#include "../../support/tiny.hpp"

using namespace umsrep;
using test::same_bits;
using test::tiny;

namespace balance_affinity {

using precise = model<tiny, reference<double>>;

data::batch some_batch(precise& m) {
    auto samples = test::tiny_loader(m);
    samples.start(0);
    return *samples.next();
}

/// The gradient of one head alone of what is shared, by stage, from a trainer of that head.
std::vector<std::vector<double>> gradient_of(const precise& start, std::size_t head, const data::batch& b) {
    precise m = start.clone();
    trainer t{m, joint<all>{}, optim::sgd{.lr = 0}, batch{4}, {}, std::uint64_t{1} << head};
    t.step(b);
    std::vector<std::vector<double>> stages(3);
    for (const auto& g : t.gradients())
        if (g.owner < 3)
            stages[static_cast<std::size_t>(g.owner)].insert(stages[static_cast<std::size_t>(g.owner)].end(), g.values.begin(),
                                                             g.values.end());
    return stages;
}

double product(const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
}

/// An affinity of equal steps in which task i's gradient is `gradients[i]`.
task_affinity of_gradients(const std::vector<std::vector<double>>& gradients, int steps = 30) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < gradients.size(); ++i) names.push_back("task " + std::to_string(i));
    task_affinity a(names, {"e1"});
    balance::inner_products p(1, gradients.size());
    for (std::size_t i = 0; i < gradients.size(); ++i)
        for (std::size_t j = i; j < gradients.size(); ++j)
            for (std::size_t s = 0; s < 2; ++s) p.set(s, i, j, product(gradients[i], gradients[j]));
    for (int step = 0; step < steps; ++step) a.add(p);
    return a;
}

} // namespace balance_affinity
using namespace balance_affinity;

TEST_CASE("cosines are those of the gradients of trainers of one head, stage by stage and in all") {
    precise m{seed{1}};
    const auto b = some_batch(m);
    trainer t{m, joint<all>{}, optim::sgd{}, batch{4}};
    task_affinity a = t.no_affinity();
    t.measure(b, a);
    REQUIRE(a.tasks() == std::vector<std::string>{"denoise", "lungs", "finding"});
    REQUIRE(a.stages() == std::vector<std::string>{"e1", "e2", "e3"});
    for (std::size_t i = 0; i < 3; ++i)
        for (std::size_t j = 0; j < 3; ++j) {
            const auto x = gradient_of(m, i, b), y = gradient_of(m, j, b);
            double xy = 0, xx = 0, yy = 0;
            for (std::size_t s = 0; s < 3; ++s) {
                const double one = product(x[s], y[s]) / std::sqrt(product(x[s], x[s]) * product(y[s], y[s]));
                CHECK(a.cosine_of_stage(s, i, j) == doctest::Approx(one).epsilon(1e-9));
                xy += product(x[s], y[s]);
                xx += product(x[s], x[s]);
                yy += product(y[s], y[s]);
            }
            CHECK(a.cosine(i, j) == doctest::Approx(xy / std::sqrt(xx * yy)).epsilon(1e-9));
            CHECK(a.conflict(i, j) == (xy < 0 ? 1 : 0));
            CHECK(a.length(i) == doctest::Approx(std::sqrt(xx)).epsilon(1e-9));
        }
}

TEST_CASE_TEMPLATE("transfer gains are what a step on one task does to the losses of all", Strategy, joint<all>, joint<last<2>>,
                   alternating<all>) {
    precise m{seed{1}};
    const auto b = some_batch(m);
    constexpr double rate = 0.05;
    trainer t{m, Strategy{}, optim::sgd{}, batch{4}};
    task_affinity a = t.no_affinity();
    t.measure(b, a, rate);
    const auto losses_of = [&](precise& at) {
        std::vector<double> losses;
        for (std::size_t h = 0; h < 3; ++h) {
            precise copy = at.clone();
            trainer one{copy, Strategy{}, optim::sgd{.lr = 0}, batch{4}, {}, std::uint64_t{1} << h};
            losses.push_back(one.step(b)[h]);
        }
        return losses;
    };
    const std::vector<double> before = losses_of(m);
    for (std::size_t i = 0; i < 3; ++i) {
        precise moved = m.clone();
        trainer{moved, Strategy{}, optim::sgd{.lr = rate}, batch{4}, {}, std::uint64_t{1} << i}.step(b);
        for (auto& tensor : moved.tensors()) // heads stay, and so do running statistics
            for (const auto& original : m.tensors())
                if (original.name == tensor.name && (tensor.statistic || tensor.owner >= 3))
                    std::copy(original.values.begin(), original.values.end(), tensor.values.begin());
        const std::vector<double> after = losses_of(moved);
        for (std::size_t j = 0; j < 3; ++j) CHECK(a.gain(i, j) == doctest::Approx(1 - after[j] / before[j]).epsilon(1e-6));
        CHECK(a.gain(i, i) > 0);
    }
}

TEST_CASE_TEMPLATE("measuring moves nothing: training goes on with the same bits", Strategy, joint<all>, alternating<last<2>>) {
    precise with{seed{1}}, without{seed{1}};
    const auto b = some_batch(with);
    trainer measured{with, Strategy{}, optim::adamw{}, batch{4}}, plain{without, Strategy{}, optim::adamw{}, batch{4}};
    task_affinity a = measured.no_affinity();
    for (int step = 0; step < 4; ++step) {
        measured.step(b);
        plain.step(b);
        const auto parameters = test::copy(with.parameters()), statistics = test::copy(with.statistics());
        measured.measure(b, a, 0.1);
        CHECK(same_bits(parameters, with.parameters()));
        CHECK(same_bits(statistics, with.statistics()));
    }
    CHECK(a.steps() == 4);
    CHECK(same_bits(with.parameters(), without.parameters()));
    CHECK(same_bits(with.statistics(), without.statistics()));
}

TEST_CASE("policies that take gradients apart give their affinity for nothing") {
    precise m{seed{1}};
    const auto b = some_batch(m);
    precise same = m.clone();
    trainer t{m, joint<all>{}, optim::sgd{}, batch{4}, {.balance = balance::pcgrad{}}};
    REQUIRE(t.inner_products() != nullptr);
    t.step(b);
    task_affinity gathered = t.no_affinity();
    gathered.add(*t.inner_products());
    trainer u{same, joint<all>{}, optim::sgd{}, batch{4}};
    CHECK(u.inner_products() == nullptr);
    task_affinity measured = u.no_affinity();
    u.measure(b, measured);
    for (std::size_t i = 0; i < 3; ++i)
        for (std::size_t j = 0; j < 3; ++j) CHECK(gathered.cosine(i, j) == measured.cosine(i, j));
}

TEST_CASE("tasks that are not in a step have no cosine in it") {
    precise m{seed{1}};
    auto b = some_batch(m);
    b.heads[1].present.assign(4, 0);
    trainer t{m, joint<all>{}, optim::sgd{}, batch{4}};
    task_affinity a = t.no_affinity();
    t.measure(b, a, 0.1);
    CHECK(std::isnan(a.cosine(0, 1)));
    CHECK(std::isnan(a.gain(1, 2)));
    CHECK(std::isnan(a.length(1)));
    CHECK_FALSE(std::isnan(a.cosine(0, 2)));
    CHECK_FALSE(std::isnan(a.gain(2, 0)));
    task_affinity other({"one"}, {"e1"});
    CHECK_THROWS_AS(t.measure(b, other), shape_mismatch);
}

TEST_CASE("advice: what conflicts is told from what drowns, agrees, or does not matter") {
    CHECK(advise(of_gradients({{1, 0}, {1, 1}}, 3)).strategy == "");
    CHECK(advise(of_gradients({{1, 0}, {1, 1}})).strategy == "joint<all>");
    CHECK(advise(of_gradients({{1, 0}, {0, 1}})).strategy == "joint<all>");
    CHECK(advise(of_gradients({{1, 0}, {0, 1}})).reason.starts_with("tasks neither help nor hinder"));
    CHECK(advise(of_gradients({{1, 0}, {100, 100}})).strategy == "joint<all> with balance::imtl or balance::gradnorm");
    CHECK(advise(of_gradients({{1, 0, 0}, {-1, 1, 0}, {0, 1, 1}})).strategy == "joint<all> with balance::pcgrad or balance::cagrad");
    CHECK(advise(of_gradients({{1, 0}, {-1, 0.2}})).strategy == "independent<all>");
    const strategy_advice pair = advise(of_gradients({{1, 0, 0}, {-1, 1, 0}, {0, 1, 1}}));
    CHECK(pair.reason ==
          "1 of 3 pairs of tasks conflict: the most opposed pair is 'task 0' and 'task 1', cosine -0.71 on average, against each other "
          "in 100 % of the steps");
    // Gradients that point apart, and yet steps that help both: no conflict.
    task_affinity helped = of_gradients({{1, 0}, {-1, 3}});
    CHECK(advise(helped).strategy == "independent<all>");
    helped.add_gain(0, 1, 0.01);
    helped.add_gain(1, 0, 0.01);
    CHECK(advise(helped).strategy == "joint<all>");
    // Labels that never meet.
    task_affinity apart({"a", "b"}, {"e1"});
    const balance::inner_products nothing(1, 2);
    for (int step = 0; step < 30; ++step) apart.add(nothing);
    CHECK(advise(apart).reason.starts_with("no two tasks"));
}
