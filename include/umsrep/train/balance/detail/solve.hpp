// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <utility>

namespace umsrep::balance::detail {

/// Solves n linear equations by Gauss-Jordan elimination with complete pivoting. `system`: n rows of n coefficients and a right side, which
/// is overwritten. Unknowns that pivots below 1e-12 leave open become 0. `pivots`: scratch for n numbers.
inline void solve(std::span<double> system, std::span<std::size_t> pivots, std::span<double> unknowns) {
    const std::size_t n = unknowns.size();
    const auto at = [&](std::size_t row, std::size_t column) -> double& { return system[row * (n + 1) + column]; };
    for (double& x : unknowns) x = 0;
    std::size_t done = 0;
    for (; done < n; ++done) {
        std::size_t row = done, column = 0; // columns that were pivots before are 0 in these rows
        for (std::size_t r = done; r < n; ++r)
            for (std::size_t c = 0; c < n; ++c)
                if (std::abs(at(r, c)) > std::abs(at(row, column))) row = r, column = c;
        const double pivot = at(row, column);
        if (!(std::abs(pivot) > 1e-12)) break;
        for (std::size_t c = 0; c <= n; ++c) {
            std::swap(at(row, c), at(done, c));
            at(done, c) /= pivot;
        }
        pivots[done] = column;
        for (std::size_t r = 0; r < n; ++r) {
            const double factor = at(r, column);
            if (r == done || factor == 0) continue;
            for (std::size_t c = 0; c <= n; ++c) at(r, c) -= factor * at(done, c);
            at(r, column) = 0;
        }
    }
    for (std::size_t k = 0; k < done; ++k) unknowns[pivots[k]] = at(k, n);
}

} // namespace umsrep::balance::detail
