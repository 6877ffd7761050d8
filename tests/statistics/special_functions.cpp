// SPDX-License-Identifier: MIT
#include <umsrep/statistics/binomial.hpp>
#include <umsrep/statistics/incomplete_beta.hpp>
#include <umsrep/statistics/normal.hpp>
#include <umsrep/statistics/student_t.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include <tests/support/fixture.hpp>

using namespace umsrep;
using namespace umsrep::statistics;

namespace special_functions {

bool near(double got, double expected, double relative) {
    return std::abs(got - expected) <= relative * std::abs(expected) + 1e-300;
}

} // namespace special_functions

TEST_CASE("the normal distribution agrees with scipy into both tails") {
    const auto file = test::fixture("statistics");
    const auto p = file.values<double>("normal.p"), quantile = file.values<double>("normal.quantile");
    for (std::size_t i = 0; i < p.size(); ++i) {
        CAPTURE(p[i]);
        CHECK(std::abs(normal_quantile(p[i]) - quantile[i]) <= 2e-15 * std::max(1.0, std::abs(quantile[i])));
    }
    const auto z = file.values<double>("normal.z"), cdf = file.values<double>("normal.cdf");
    const auto two_sided = file.values<double>("normal.two_sided");
    for (std::size_t i = 0; i < z.size(); ++i) {
        CAPTURE(z[i]);
        CHECK(special_functions::near(normal_cdf(z[i]), cdf[i], 1e-13));
        CHECK(special_functions::near(two_sided_normal(z[i]), two_sided[i], 1e-13));
    }
}

TEST_CASE("normal quantiles are symmetric, increasing and inverse to the cdf; 0 and 1 are infinite") {
    double previous = -std::numeric_limits<double>::infinity();
    CHECK(normal_quantile(0.0) == previous);
    CHECK(normal_quantile(1.0) == -previous);
    for (int i = 1; i < 1000; ++i) {
        const double p = i / 1000.0, z = normal_quantile(p);
        CHECK(z > previous);
        CHECK(std::abs(z + normal_quantile(1.0 - p)) < 1e-13);
        CHECK(std::abs(normal_cdf(z) - p) < 1e-15);
        previous = z;
    }
    CHECK_THROWS_AS(normal_quantile(1.5), option_error);
    CHECK_THROWS_AS(normal_quantile(std::nan("")), option_error);
}

TEST_CASE("the incomplete beta function agrees with scipy from a = 1/2 to a million") {
    const auto file = test::fixture("statistics");
    const auto a = file.values<double>("beta.a"), b = file.values<double>("beta.b");
    const auto x = file.values<double>("beta.x"), value = file.values<double>("beta.value");
    for (std::size_t i = 0; i < a.size(); ++i) {
        CAPTURE(a[i]);
        CAPTURE(b[i]);
        CAPTURE(x[i]);
        // The exponent of a value of 10^-k is known to k digits fewer: the last digit of log x is multiplied by a.
        const double tolerance = 5e-13 - 1e-15 * std::log(std::max(value[i], 1e-300));
        CHECK(special_functions::near(incomplete_beta(a[i], b[i], x[i], 1.0 - x[i]), value[i], tolerance));
    }
}

TEST_CASE("I_x(a, b) + I_{1-x}(b, a) = 1, I_x(1, 1) = x, I_x(a, 1) = x^a") {
    for (const double x : {0.0, 0.01, 0.3, 0.5, 0.77, 1.0}) {
        CHECK(std::abs(incomplete_beta(2.5, 7.0, x, 1 - x) + incomplete_beta(7.0, 2.5, 1 - x, x) - 1.0) < 1e-15);
        CHECK(std::abs(incomplete_beta(1.0, 1.0, x, 1 - x) - x) < 1e-15);
        CHECK(std::abs(incomplete_beta(3.5, 1.0, x, 1 - x) - std::pow(x, 3.5)) < 1e-15);
    }
    CHECK_THROWS_AS(incomplete_beta(0.0, 1.0, 0.5, 0.5), option_error);
    CHECK_THROWS_AS(incomplete_beta(1.0, 1.0, 1.5, -0.5), option_error);
    CHECK_THROWS_AS(incomplete_beta(1.0, std::nan(""), 0.5, 0.5), option_error);
}

TEST_CASE("Student's t agrees with scipy, from 1 to a million degrees of freedom") {
    const auto file = test::fixture("statistics");
    const auto freedom = file.values<double>("t.freedom"), p = file.values<double>("t.p");
    const auto quantile = file.values<double>("t.quantile");
    for (std::size_t i = 0; i < p.size(); ++i) {
        CAPTURE(freedom[i]);
        CAPTURE(p[i]);
        CHECK(std::abs(student_t_quantile(p[i], freedom[i]) - quantile[i]) <= 1e-11 * std::abs(quantile[i]) + 1e-14);
    }
    const auto t = file.values<double>("t.t"), t_freedom = file.values<double>("t.t_freedom"), cdf = file.values<double>("t.cdf");
    for (std::size_t i = 0; i < t.size(); ++i) CHECK(special_functions::near(student_t_cdf(t[i], t_freedom[i]), cdf[i], 1e-13));
}

TEST_CASE("t with one degree of freedom is Cauchy's distribution; its quantiles invert its cdf") {
    for (const double t : {-1e6, -3.0, -0.2, 0.0, 0.7, 12.0})
        CHECK(std::abs(student_t_cdf(t, 1.0) - (0.5 + std::atan(t) * std::numbers::inv_pi)) < 1e-15);
    for (const double p : {0.001, 0.2, 0.5, 0.99})
        for (const double freedom : {1.0, 7.0, 300.0})
            CHECK(std::abs(student_t_cdf(student_t_quantile(p, freedom), freedom) - p) < 1e-15);
    CHECK(std::isinf(student_t_quantile(1.0, 3.0)));
    CHECK(student_t_cdf(std::numeric_limits<double>::infinity(), 3.0) == 1.0);
    CHECK_THROWS_AS(student_t_cdf(1.0, 0.0), option_error);
    CHECK_THROWS_AS(student_t_quantile(-0.1, 3.0), option_error);
}

TEST_CASE("the binomial tail agrees with scipy and, for few trials, with counting") {
    const auto file = test::fixture("statistics");
    const auto k = file.values<int>("binomial.k"), n = file.values<int>("binomial.n");
    const auto p = file.values<double>("binomial.p"), cdf = file.values<double>("binomial.cdf");
    for (std::size_t i = 0; i < k.size(); ++i) {
        const auto successes = static_cast<std::uint64_t>(k[i]), trials = static_cast<std::uint64_t>(n[i]);
        CHECK(special_functions::near(binomial_cdf(successes, trials, p[i]), cdf[i], 1e-12));
    }
    CHECK(std::abs(binomial_cdf(1, 4, 0.5) - 5.0 / 16) < 1e-15);
    CHECK(binomial_cdf(4, 4, 0.5) == 1.0);
    CHECK(binomial_cdf(0, 0, 0.5) == 1.0);
    CHECK(binomial_cdf(2, 9, 0.0) == 1.0);
    CHECK(binomial_cdf(2, 9, 1.0) == 0.0);
    CHECK_THROWS_AS(binomial_cdf(2, 9, 1.1), option_error);
}
