// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>

#include <umsrep/core/error.hpp>

namespace umsrep {

/// Where a gradient is most wrong, and by how much.
struct gradient_error {
    double relative = 0;     ///< |analytic - numeric| / max(|analytic|, |numeric|, largest |analytic| / 100)
    std::size_t where = 0;   ///< index of that component
    double analytic = 0, numeric = 0;
};

/// Compares `gradient`, claimed to be that of the scalar function `f` at `x`, with central differences
/// (f(x + h e_i) - f(x - h e_i)) / 2h, h = cbrt(epsilon) max(1, |x_i|), in the precision of T (double or long double: in float the
/// differences drown in rounding). `f` takes no argument and reads `x`, which is changed during the check and restored.
/// At most `components` components, evenly spread, are checked. Throws shape_mismatch when the sizes differ.
///
///     std::vector<double> x = ..., g = ...;                        // g: the gradient of loss at x
///     const auto e = check_gradient([&] { return loss(x); }, std::span{x}, std::span<const double>{g});
///     // e.relative is about 1e-9 when g is right
template <class T, class F>
gradient_error check_gradient(F&& f, std::span<T> x, std::span<const T> gradient, std::size_t components = std::numeric_limits<std::size_t>::max()) {
    if (x.size() != gradient.size())
        throw shape_mismatch("check_gradient", std::to_string(x.size()) + " components of the gradient", std::to_string(gradient.size()));
    T largest = 0;
    for (const T g : gradient) largest = std::max(largest, std::abs(g));
    gradient_error worst;
    const std::size_t count = std::min(components, x.size());
    for (std::size_t k = 0; k < count; ++k) {
        const std::size_t i = k * x.size() / count;
        const T kept = x[i], h = std::cbrt(std::numeric_limits<T>::epsilon()) * std::max(T{1}, std::abs(kept));
        x[i] = kept + h;
        const T above = f(), up = x[i];
        x[i] = kept - h;
        const T below = f(), down = x[i];
        x[i] = kept;
        const T numeric = (above - below) / (up - down), analytic = gradient[i];
        const T scale = std::max({std::abs(analytic), std::abs(numeric), largest / 100, std::numeric_limits<T>::min()});
        const double relative = static_cast<double>(std::abs(analytic - numeric) / scale);
        if (relative > worst.relative || !(relative == relative))
            worst = {relative == relative ? relative : std::numeric_limits<double>::infinity(), i, static_cast<double>(analytic),
                     static_cast<double>(numeric)};
    }
    return worst;
}

} // namespace umsrep
