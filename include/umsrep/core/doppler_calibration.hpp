// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <string>

#include <umsrep/core/error.hpp>

namespace umsrep {

/// What the pixels of a Doppler spectrogram mean. Rows count from the top, columns from the left; the centre of the first pixel is
/// at (0.5, 0.5). Velocities towards the transducer are positive and lie above the baseline.
struct doppler_calibration {
    double cm_s_per_pixel = 0; ///< height of a row, cm/s; > 0
    double ms_per_column = 0;  ///< width of a column, ms; > 0
    double baseline_row = 0;   ///< where velocity is zero, in rows from the top: 0 is the upper edge, the height the lower one

    /// Of the same picture after its rows and columns were resampled: `rows` and `columns` are new count over old count.
    constexpr doppler_calibration resampled(double rows, double columns) const {
        return {cm_s_per_pixel / rows, ms_per_column / columns, baseline_row * rows};
    }

    friend constexpr bool operator==(const doppler_calibration&, const doppler_calibration&) = default;
};

/// @throws option_error, beginning with `where`, when a scale is not above 0 or the baseline is not within `height` rows
inline void check_calibration(const doppler_calibration& c, double height, const std::string& where) {
    const auto positive = [&](const char* name, double value) {
        if (!(value > 0.0 && std::isfinite(value))) throw option_error(where + ": " + name, "a number above 0", std::to_string(value));
    };
    positive("cm/s per pixel", c.cm_s_per_pixel);
    positive("ms per column", c.ms_per_column);
    if (!(c.baseline_row >= 0.0 && c.baseline_row <= height))
        throw option_error(where + ": baseline row", "0 to " + std::to_string(height), std::to_string(c.baseline_row));
}

} // namespace umsrep
