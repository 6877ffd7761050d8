// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>

#include <xtensor/xtensor.hpp> // before there is an umsrep::data: behind `using namespace umsrep` it would take that for its own `data`

#include <umsrep/core/random.hpp>

namespace umsrep::data {

/// How values between pixels come about.
enum class resampling {
    average, ///< weighted mean
    vote,    ///< the value with the largest weight, ties to the larger one: masks and class maps keep their values
};

/// Where an output pixel comes from: x_in = xx x + xy y + x0, y_in = yx x + yy y + y0, in pixels from the image's centre.
struct affine_map {
    double xx = 1, xy = 0, x0 = 0;
    double yx = 0, yy = 1, y0 = 0;

    /// The same image, mirrored behind the map: exact, for only signs change.
    constexpr affine_map mirrored(bool left_right, bool up_down) const {
        const double x = left_right ? -1 : 1, y = up_down ? -1 : 1;
        return {xx * x, xy * y, x0, yx * x, yy * y, y0};
    }
};

/// v -> clamp((v^gamma - 1/2) contrast + 1/2 + brightness, 0, 1); of what is below 0, as of 0.
struct grey_curve {
    float gamma = 1, contrast = 1, brightness = 0;

    float operator()(float v) const {
        return std::clamp((std::pow(std::max(v, 0.0f), gamma) - 0.5f) * contrast + 0.5f + brightness, 0.0f, 1.0f);
    }
};

/// Pixel i takes `deviation` times the i-th normal number of the stream.
struct gaussian_draw {
    float deviation;
    bool clamped; ///< to [0, 1]
    random_stream random;
};

/// What was drawn for the pixels of an image or a label, and is not computed yet: in this order they are moved, their grey values change,
/// noise is added. See data/compute.hpp.
struct pixel_changes {
    std::optional<affine_map> map = {};
    resampling how = resampling::average; ///< by the map
    std::optional<grey_curve> grey = {};
    std::optional<gaussian_draw> noise = {};

    bool any() const { return map || grey || noise; }
};

} // namespace umsrep::data
