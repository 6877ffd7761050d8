// SPDX-License-Identifier: MIT
#include <umsrep/optim/detail/packs.hpp>

#include <doctest/doctest.h>

#include <limits>

using namespace umsrep;

TEST_CASE_TEMPLATE("square roots of a pack are correctly rounded, zeros and infinities included", T, float, double) {
    optim::detail::pack<T> x;
    T value = std::numeric_limits<T>::min();
    for (int round = 0; round < 1000; ++round) {
        for (int i = 0; i < optim::detail::pack_size; ++i, value *= T(1.0037)) x[i] = value;
        x[3] = round % 2 == 0 ? T{0} : std::numeric_limits<T>::infinity();
        const auto roots = optim::detail::square_roots<T>(x);
        for (int i = 0; i < optim::detail::pack_size; ++i) REQUIRE(roots[i] == std::sqrt(x[i]));
    }
}
