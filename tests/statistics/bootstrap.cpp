// SPDX-License-Identifier: MIT
#include <umsrep/statistics/bootstrap.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <tests/support/fixture.hpp>

using namespace umsrep;
using namespace umsrep::statistics;

namespace bootstrap_tests {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

bool same(const interval& a, const interval& b) { return a.low == b.low && a.high == b.high; }

std::vector<double> normals(random_stream& stream, std::size_t count) {
    std::vector<double> values;
    for (std::size_t i = 0; i < count; ++i) values.push_back(static_cast<double>(stream.normal()));
    return values;
}

std::vector<std::size_t> members(const clusters& groups, std::uint32_t cluster) {
    std::vector<std::size_t> result;
    for (std::size_t i = 0; i < groups.samples(); ++i)
        if (groups.of_sample()[i] == cluster) result.push_back(i);
    return result;
}

} // namespace bootstrap_tests

TEST_CASE("percentile and BCa intervals of one distribution agree with scipy") {
    const auto file = test::fixture("statistics");
    const auto values = file.values<double>("bootstrap.values"), distribution = file.values<double>("bootstrap.distribution");
    std::vector<double> jackknife;
    for (std::size_t left_out = 0; left_out < values.size(); ++left_out) {
        auto rest = values;
        rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(left_out));
        jackknife.push_back(mean(rest));
    }
    const auto percentile = percentile_interval(distribution);
    CHECK(percentile.low == doctest::Approx(file.values<double>("bootstrap.percentile")[0]).epsilon(1e-12));
    CHECK(percentile.high == doctest::Approx(file.values<double>("bootstrap.percentile")[1]).epsilon(1e-12));
    const auto bca = bca_interval(distribution, mean(values), jackknife);
    CHECK(bca.low == doctest::Approx(file.values<double>("bootstrap.bca")[0]).epsilon(1e-9));
    CHECK(bca.high == doctest::Approx(file.values<double>("bootstrap.bca")[1]).epsilon(1e-9));
}

TEST_CASE("the whole bootstrap of a mean approaches scipy's of 200,000 resamples, and the known standard error") {
    const auto file = test::fixture("statistics");
    const auto values = file.values<double>("bootstrap.values");
    const auto r = bootstrap(clusters::singletons(values.size()), mean_of(values), {.resamples = 40'000});
    CHECK(r.value == doctest::Approx(mean(values)));
    CHECK(r.undefined == 0);
    const auto n = static_cast<double>(values.size());
    CHECK(r.standard_error == doctest::Approx(std::sqrt(variance(values) * (n - 1) / n / n)).epsilon(0.015));
    CHECK(r.standard_error == doctest::Approx(file.values<double>("bootstrap.standard_error_of_many")[0]).epsilon(0.015));
    CHECK(std::abs(r.bca.low - file.values<double>("bootstrap.bca_of_many")[0]) < 0.05 * r.standard_error);
    CHECK(std::abs(r.bca.high - file.values<double>("bootstrap.bca_of_many")[1]) < 0.08 * r.standard_error);
}

TEST_CASE("clusters are drawn whole, as many as there are, and left out whole by the jackknife") {
    const std::vector<std::string> patients{"b", "a", "c", "a", "b", "b"};
    const clusters groups{patients};
    CHECK(groups.count() == 3);
    CHECK(groups.samples() == 6);
    CHECK(bootstrap_tests::members(groups, 0) == std::vector<std::size_t>{1, 3}); // in the order of their names
    int calls = 0;
    const statistic check = [&](std::span<const std::uint32_t> weights) {
        ++calls;
        CHECK(weights[1] == weights[3]);
        CHECK(weights[0] == weights[4]);
        CHECK(weights[0] == weights[5]);
        const auto drawn = weights[0] + weights[1] + weights[2];
        CHECK((calls <= 201 ? drawn == 3 : drawn == 2)); // all, 200 resamples, then one left out
        return static_cast<double>(weights[0]);
    };
    bootstrap(groups, check, {.resamples = 200});
    CHECK(calls == 204);
}

TEST_CASE("the bootstrap depends on the seed alone: not on threads, and not on the order of the samples") {
    random_stream stream{seed{2}, "order"};
    auto first = bootstrap_tests::normals(stream, 90), second = bootstrap_tests::normals(stream, 90);
    std::vector<int> patients;
    for (int i = 0; i < 90; ++i) {
        patients.push_back(static_cast<int>(stream.below(30)));
        // In sixteenths, so that sums are exact and do not depend on their order.
        first[static_cast<std::size_t>(i)] = std::round(16 * first[static_cast<std::size_t>(i)]) / 16;
        second[static_cast<std::size_t>(i)] = std::round(16 * second[static_cast<std::size_t>(i)]) / 16;
    }
    const bootstrap_options options{.resamples = 999, .random = seed{77}};
    const auto compare = [&](const bootstrap_options& o, thread_pool* pool) {
        return paired_bootstrap(clusters{patients}, mean_of(first), mean_of(second), o, pool);
    };
    const auto r = compare(options, nullptr);
    for (const int threads : {1, 2, 5}) {
        thread_pool pool{threads};
        const auto t = compare(options, &pool);
        CHECK(bootstrap_tests::same(t.difference.percentile, r.difference.percentile));
        CHECK(bootstrap_tests::same(t.difference.bca, r.difference.bca));
        CHECK(t.difference.standard_error == r.difference.standard_error);
        CHECK(t.p_value == r.p_value);
    }
    CHECK(!bootstrap_tests::same(compare({.resamples = 999, .random = seed{78}}, nullptr).difference.percentile, r.difference.percentile));

    std::vector<std::size_t> order(90);
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    shuffle(order, stream);
    auto shuffled_first = first, shuffled_second = second;
    auto shuffled_patients = patients;
    for (std::size_t i = 0; i < order.size(); ++i) {
        shuffled_first[i] = first[order[i]];
        shuffled_second[i] = second[order[i]];
        shuffled_patients[i] = patients[order[i]];
    }
    const auto s = paired_bootstrap(clusters{shuffled_patients}, mean_of(shuffled_first), mean_of(shuffled_second), options);
    CHECK(bootstrap_tests::same(s.difference.percentile, r.difference.percentile));
    CHECK(s.p_value == r.p_value);
}

TEST_CASE("swapping the models turns the sign; a model has no difference from itself") {
    random_stream stream{seed{4}, "swap"};
    const auto a = mean_of(bootstrap_tests::normals(stream, 50)), b = mean_of(bootstrap_tests::normals(stream, 50));
    const auto groups = clusters::singletons(50);
    const auto r = paired_bootstrap(groups, a, b, {.resamples = 2000}), swapped = paired_bootstrap(groups, b, a, {.resamples = 2000});
    CHECK(swapped.difference.value == -r.difference.value);
    CHECK(swapped.difference.percentile.low == doctest::Approx(-r.difference.percentile.high).epsilon(1e-12));
    CHECK(swapped.difference.bca.high == doctest::Approx(-r.difference.bca.low).epsilon(1e-9));
    CHECK(swapped.p_value == r.p_value);
    CHECK(r.first.value == bootstrap(groups, a, {.resamples = 2000}).value);
    CHECK(bootstrap_tests::same(r.first.percentile, bootstrap(groups, a, {.resamples = 2000}).percentile));

    const auto none = paired_bootstrap(groups, a, a, {.resamples = 100});
    CHECK(none.difference.value == 0.0);
    CHECK(bootstrap_tests::same(none.difference.percentile, {0.0, 0.0}));
    CHECK(bootstrap_tests::same(none.difference.bca, {0.0, 0.0}));
    CHECK(none.p_value == 1.0);
}

TEST_CASE("a difference that every resample shows has the least p-value that many resamples can give") {
    std::vector<double> better(40, 1.0), worse(40, 0.0);
    better[7] = 0.5;
    const auto r = paired_bootstrap(clusters::singletons(40), mean_of(better), mean_of(worse), {.resamples = 999});
    CHECK(r.p_value == doctest::Approx(2.0 / 1000));
    CHECK(r.difference.percentile.low > 0.9);
}

TEST_CASE("intervals hold the truth in about 95 % of studies, and equal models differ significantly in about 5 %") {
    random_stream stream{seed{6}, "coverage"};
    int percentile = 0, bca = 0, significant = 0;
    const int studies = 500;
    for (int study = 0; study < studies; ++study) {
        // 40 patients of 1 to 5 images; the difference has a part of the patient and one of the image, and the mean 0.
        std::vector<double> first, second;
        std::vector<int> patients;
        for (int patient = 0; patient < 40; ++patient) {
            const double part = static_cast<double>(stream.normal());
            for (std::uint32_t image = 0; image <= stream.below(5); ++image) {
                const double common = static_cast<double>(stream.normal());
                first.push_back(common + part + 0.5 * static_cast<double>(stream.normal()));
                second.push_back(common);
                patients.push_back(patient);
            }
        }
        const auto r = paired_bootstrap(clusters{patients}, mean_of(first), mean_of(second),
                                        {.resamples = 400, .random = seed{static_cast<std::uint64_t>(study)}});
        percentile += r.difference.percentile.contains(0.0);
        bca += r.difference.bca.contains(0.0);
        significant += r.p_value <= 0.05;
    }
    for (const int covered : {percentile, bca}) { // 475 +- 5, less what the bootstrap of 40 clusters lacks
        CHECK(covered > 450);
        CHECK(covered < 490);
    }
    CHECK(significant > 10);
    CHECK(significant < 50);
}

TEST_CASE("resampling images instead of patients would be wrong: equal models would differ far too often") {
    random_stream stream{seed{8}, "patients"};
    int by_patient = 0, by_image = 0;
    for (int study = 0; study < 200; ++study) {
        std::vector<double> difference;
        std::vector<int> patients;
        for (int patient = 0; patient < 30; ++patient) {
            const double part = static_cast<double>(stream.normal());
            for (int image = 0; image < 6; ++image) {
                difference.push_back(part + 0.3 * static_cast<double>(stream.normal()));
                patients.push_back(patient);
            }
        }
        const std::vector<double> zero(difference.size(), 0.0);
        const bootstrap_options options{.resamples = 200, .random = seed{static_cast<std::uint64_t>(study)}};
        by_patient += paired_bootstrap(clusters{patients}, mean_of(difference), mean_of(zero), options).p_value <= 0.05;
        by_image += paired_bootstrap(clusters::singletons(difference.size()), mean_of(difference), mean_of(zero), options).p_value <= 0.05;
    }
    CHECK(by_patient < 25);
    CHECK(by_image > 70);
}

TEST_CASE("resamples without a value are left out and counted; a statistic without a value has nothing else either") {
    // Exists only when sample 0 was drawn.
    const statistic sometimes = [](std::span<const std::uint32_t> w) { return w[0] == 0 ? bootstrap_tests::nan : 1.0 / w[0]; };
    const auto groups = clusters::singletons(10);
    const auto r = bootstrap(groups, sometimes, {.resamples = 1000});
    CHECK(r.undefined > 250); // (9/10)^10 = .35
    CHECK(r.undefined < 450);
    CHECK(r.percentile.high == 1.0);
    CHECK(std::isnan(r.bca.low)); // the jackknife without sample 0 has no value

    const statistic never = [](std::span<const std::uint32_t>) { return bootstrap_tests::nan; };
    const auto nothing = paired_bootstrap(groups, never, sometimes, {.resamples = 50});
    CHECK(nothing.first.undefined == 50);
    CHECK(std::isnan(nothing.first.value));
    CHECK(std::isnan(nothing.first.percentile.low));
    CHECK(std::isnan(nothing.difference.value));
    CHECK(std::isnan(nothing.p_value));
    CHECK(nothing.second.value == 1.0);
}

TEST_CASE("a distribution on one side of the estimate has no BCa interval; one of equal values has width 0") {
    const std::vector<double> jackknife{1, 2, 3};
    CHECK(std::isnan(bca_interval(std::vector<double>{2, 3, 4}, 1.0, jackknife).low));
    CHECK(std::isnan(bca_interval({}, 1.0, jackknife).low));
    CHECK(bca_interval(std::vector<double>{5, 5, 5}, 5.0, std::vector<double>{5, 5}).high == 5.0);
}

TEST_CASE("the bootstrap refuses one cluster, no resample and NaN values, and passes a statistic's exception on") {
    const auto value = mean_of({1.0, 2.0, 3.0});
    const clusters one{std::vector<int>{4, 4, 4}};
    CHECK_THROWS_WITH_AS(bootstrap(one, value), "bootstrap: expected at least 2 clusters, got 1", option_error);
    CHECK_THROWS_AS(bootstrap(clusters{std::vector<int>{}}, value), option_error);
    CHECK_THROWS_AS(bootstrap(clusters::singletons(3), value, {.resamples = 0}), option_error);
    CHECK_THROWS_AS(bootstrap(clusters::singletons(3), value, {.confidence = 95}), option_error);
    CHECK_THROWS_WITH_AS(mean_of({1.0, bootstrap_tests::nan}), "value of sample 1: expected a number, got NaN", error);
    CHECK_THROWS_AS(average_of({}), option_error);
    thread_pool pool{2};
    const statistic broken = [](std::span<const std::uint32_t> w) -> double {
        if (w[0] == 2) throw error("broken");
        return 0.0;
    };
    CHECK_THROWS_WITH_AS(bootstrap(clusters::singletons(3), broken, {}, &pool), "broken", error);
}

TEST_CASE("statistics of weights, of rows and of averages are the same numbers") {
    const std::vector<double> values{1, 5, 2, 7}, others{0, 1, 0, 3};
    const std::vector<std::uint32_t> weights{2, 0, 1, 3};
    const auto by_rows = of_rows([&](std::span<const std::size_t> rows) {
        double sum = 0.0;
        for (const std::size_t row : rows) sum += values[row];
        return sum / static_cast<double>(rows.size());
    });
    CHECK(mean_of(values)(weights) == doctest::Approx(25.0 / 6));
    CHECK(by_rows(weights) == doctest::Approx(25.0 / 6));
    CHECK(average_of({mean_of(values), mean_of(others)})(weights) == doctest::Approx((25.0 / 6 + 9.0 / 6) / 2));
    CHECK(std::isnan(mean_of(values)(std::vector<std::uint32_t>(4, 0))));
    const double infinity = std::numeric_limits<double>::infinity();
    CHECK(mean_of({1.0, infinity})(std::vector<std::uint32_t>{1, 0}) == 1.0);
}
