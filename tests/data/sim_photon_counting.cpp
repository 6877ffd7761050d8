// SPDX-License-Identifier: MIT
#include <umsrep/data/sim/photon_counting.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace umsrep;
using namespace umsrep::sim;

namespace {

struct moments {
    double mean = 0, variance = 0;
};

template <class Draw>
moments moments_of(int n, Draw&& draw) {
    double sum = 0, squares = 0;
    for (int i = 0; i < n; ++i) {
        const double v = draw();
        sum += v;
        squares += v * v;
    }
    return {sum / n, squares / n - sum / n * sum / n};
}

} // namespace

TEST_CASE("a Poisson variate has mean and variance equal to its parameter, below and above the change of method") {
    constexpr int n = 40000;
    random_stream draw{seed{5}, "poisson"};
    for (const double mean : {0.05, 0.9, 4.0, 9.99, 10.0, 35.0, 700.0, 50000.0}) {
        CAPTURE(mean);
        const auto m = moments_of(n, [&] { return poisson(mean, draw); });
        CHECK(std::abs(m.mean - mean) < 5 * std::sqrt(mean / n));
        // the variance of a sample variance of Poisson variates is (2 mean^2 + mean) / n
        CHECK(std::abs(m.variance - mean) < 5 * std::sqrt((2 * mean * mean + mean) / n));
    }
}

TEST_CASE("Poisson variates have Poisson's frequencies (chi-square)") {
    constexpr int n = 60000;
    for (const double mean : {3.0, 12.0, 40.0}) {
        CAPTURE(mean);
        random_stream draw{seed{6}, "frequencies"};
        std::vector<int> seen(200);
        for (int i = 0; i < n; ++i) ++seen.at(static_cast<std::size_t>(poisson(mean, draw)));
        double chi = 0, cells = 0, rest_seen = n, rest_expected = n;
        for (int k = 0; k < 200; ++k) {
            const double expected = n * std::exp(k * std::log(mean) - mean - std::lgamma(k + 1.0));
            if (expected < 10) continue;
            chi += (seen[static_cast<std::size_t>(k)] - expected) * (seen[static_cast<std::size_t>(k)] - expected) / expected;
            rest_seen -= seen[static_cast<std::size_t>(k)];
            rest_expected -= expected;
            ++cells;
        }
        chi += (rest_seen - rest_expected) * (rest_seen - rest_expected) / rest_expected; // both tails as one cell: cells degrees
        CHECK(chi < cells + 4.5 * std::sqrt(2 * cells));
    }
}

TEST_CASE("nothing is counted where nothing is due") {
    random_stream draw{seed{7}};
    CHECK(poisson(0, draw) == 0);
    CHECK(poisson(-1, draw) == 0);
}

TEST_CASE("log k! is exact to ten digits") {
    for (int k = 0; k < 400; ++k) CHECK(sim::detail::log_factorial(k) == doctest::Approx(std::lgamma(k + 1.0)).epsilon(1e-10));
}

TEST_CASE("electronic noise adds its variance to that of the photons") {
    random_stream draw{seed{8}};
    const auto m = moments_of(40000, [&] { return detect(100, 3, draw); });
    CHECK(std::abs(m.mean - 100) < 5 * std::sqrt(109.0 / 40000));
    CHECK(m.variance == doctest::Approx(109).epsilon(.04));
}

TEST_CASE("the variance of the log signal is one over the photons") {
    random_stream draw{seed{9}};
    for (const double photons : {200.0, 1000.0, 5000.0}) {
        CAPTURE(photons);
        const auto m = moments_of(40000, [&] { return log_signal(poisson(photons, draw), 10000); });
        CHECK(m.variance == doctest::Approx(1 / photons).epsilon(.05));
        CHECK(m.mean == doctest::Approx(-std::log(photons / 10000)).epsilon(.01));
    }
}

TEST_CASE("a reading below one photon counts as one") {
    CHECK(log_signal(-3, 100) == doctest::Approx(std::log(100)));
    CHECK(log_signal(0, 100) == log_signal(1, 100));
}
