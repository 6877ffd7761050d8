// SPDX-License-Identifier: MIT
#pragma once

namespace umsrep {

/// Policy of `cpu`: 3x3 convolutions by Winograd's method where that is faster. Errors of 1e-5 to 1e-4 of a result's root mean square;
/// a value that is no number spoils the 4 x 4 or 6 x 6 results of its tile.
struct winograd {
    static constexpr bool allows_winograd = true;
};

/// Policy of `cpu`: every convolution by the sum that defines it. Errors of a few 1e-6.
struct exact {
    static constexpr bool allows_winograd = false;
};

} // namespace umsrep
