// SPDX-License-Identifier: MIT
#include <umsrep/loss/detail/gaussian_window.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <tests/loss/check_loss.hpp>

using namespace umsrep;

TEST_CASE("the window over eleven rows is the weighted sum of each column, with the same bits in every instruction set") {
    random_stream random{seed{9}, "window"};
    for (const std::ptrdiff_t n : {1, 2, 3, 4, 7, 64, 101}) {
        CAPTURE(n);
        std::vector<double> values(static_cast<std::size_t>(n + 10)), portable(static_cast<std::size_t>(n), NAN), chosen = portable;
        for (double& v : values) v = static_cast<double>(random.normal());
        loss::detail::window_rows rows;
        for (std::size_t k = 0; k < rows.size(); ++k) rows[k] = values.data() + k;
        loss::detail::smooth_portable(rows, n, portable.data());
        loss::detail::smooth(rows, n, chosen.data());
        CHECK(chosen == portable);
        for (std::size_t i = 0; i < portable.size(); ++i) {
            double sum = 0.0;
            for (std::size_t k = 0; k < rows.size(); ++k) sum += loss::detail::ssim_taps()[k] * rows[k][i];
            REQUIRE(std::abs(portable[i] - sum) < 1e-14);
        }
    }
}
