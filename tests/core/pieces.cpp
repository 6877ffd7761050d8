// SPDX-License-Identifier: MIT
#include <umsrep/core/pieces.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace umsrep;

TEST_CASE("pieces cover what they cut, in order and without gaps") {
    for (const std::ptrdiff_t size : {0, 1, 99, 100, 101, 25600, 25601, 1000003}) {
        CAPTURE(size);
        const pieces cut = pieces::at_least(100, size);
        CHECK(cut.count() <= pieces::most);
        std::ptrdiff_t covered = 0;
        for (int i = 0; i < cut.count(); ++i) {
            REQUIRE(cut.begin(i) == covered);
            REQUIRE(cut.end(i) > covered);
            if (i + 1 < cut.count()) REQUIRE(cut.end(i) - cut.begin(i) >= 100);
            covered = cut.end(i);
        }
        CHECK(covered == size);
    }
}

TEST_CASE("a sum over pieces has the same bits with any number of threads and with none") {
    std::vector<double> values;
    for (int i = 0; i < 100'001; ++i) values.push_back(std::sin(i) * std::pow(10.0, i % 17));
    const auto sum = [&](thread_pool* pool) {
        return sum_of_pieces(pool, 128, static_cast<std::ptrdiff_t>(values.size()), [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
            double s = 0;
            for (std::ptrdiff_t i = begin; i < end; ++i) s += values[static_cast<std::size_t>(i)];
            return s;
        });
    };
    const double expected = sum(nullptr);
    for (const int threads : {1, 2, 3}) {
        thread_pool pool{threads};
        for (int again = 0; again < 5; ++again) CHECK(sum(&pool) == expected);
    }
}
