// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <umsrep/core/doppler_calibration.hpp>
#include <umsrep/core/error.hpp>
#include <umsrep/metric/classification.hpp>

/// From the mask of a Doppler envelope to the numbers that a clinician reads. Velocities are in cm/s, distances in cm, gradients in
/// mmHg; towards the transducer is positive. What a picture does not show (no whole beat, no second wave) is NaN.
namespace umsrep::metric {

enum class flow_side : int { towards = 1, away = -1 };

struct envelope_options {
    float threshold = 0.5f;               ///< a pixel is in the mask when it is above; for logits 0
    bool folded = true;                   ///< past the border go on at the other one: what a pulsed wave shows of an aliased flow
    std::optional<flow_side> side = {};   ///< look on this side of the baseline only
    double window_ms = 60.0;              ///< of the Hampel filter; 0 turns it off
};

/// The gradient that drives a jet, simplified Bernoulli equation: 4 v^2 with v in m/s. Hatle, Brubakk, Tromsdal, Angelsen,
/// Br Heart J 40, 1978, 131-140.
constexpr double pressure_gradient(double cm_s) { return 4.0 * cm_s * cm_s / 1e4; }

namespace detail {

/// The bar from the baseline that differs from the column of a mask in the fewest pixels, as (pixels, agreement gained).
struct bar {
    std::size_t length = 0;
    std::ptrdiff_t gain = 0;
};

/// `in(i)`: whether the i-th pixel from the baseline is in the mask; the shortest of several equally good bars.
template <class In>
bar best_bar(std::size_t pixels, In&& in) {
    bar best;
    std::ptrdiff_t gain = 0;
    for (std::size_t i = 0; i < pixels; ++i) {
        gain += in(i) ? 1 : -1;
        if (gain > best.gain) best = {i + 1, gain};
    }
    return best;
}

inline double median(std::vector<double> values) {
    if (values.empty()) return undefined;
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::ranges::nth_element(values, middle);
    return values.size() % 2 == 1 ? *middle : 0.5 * (*middle + *std::max_element(values.begin(), middle));
}

/// Replaces by the median of its window what differs from it by more than three standard deviations, these estimated from the
/// median absolute deviation, and by more than `least`. A narrow peak of a smooth curve stays, a lone column goes. The first and the
/// last `half` values stay: where a curve goes to cannot be seen there. Source: Hampel, J Am Stat Assoc 69, 1974, 383-393; Pearson,
/// Mining Imperfect Data, SIAM 2005.
inline std::vector<double> hampel(const std::vector<double>& x, std::size_t half, double least) {
    std::vector<double> result = x;
    for (std::size_t i = half; i + half < x.size(); ++i) {
        const auto first = x.begin() + static_cast<std::ptrdiff_t>(i - half);
        std::vector<double> window(first, first + static_cast<std::ptrdiff_t>(2 * half + 1));
        const double middle = median(window);
        for (double& v : window) v = std::abs(v - middle);
        if (std::abs(x[i] - middle) > std::max(least, 3.0 * 1.4826 * median(window))) result[i] = middle;
    }
    return result;
}

} // namespace detail

/// The envelope's velocity in each column of a mask (height, width), 0 where there is no flow.
///
/// Robust to a noisy mask in two ways. In a column the envelope is the end of the bar from the baseline that disagrees with the mask
/// in the fewest pixels, on whichever side fits better: holes, specks and a gap above the baseline do not move it unless they
/// outnumber what they interrupt. From column to column a Hampel filter takes lone outliers out; it needs five columns in its
/// window, and is off where columns are so wide (12 ms by default) that five of them could hold a whole wave.
/// Exact masks come back within half a row, and flow slower than a row may come back as 0. @throws shape_mismatch, option_error for the calibration, error for a NaN
inline std::vector<double> envelope_trace(std::span<const float> mask, std::size_t height, std::size_t width,
                                          const doppler_calibration& calibration, const envelope_options& options = {}) {
    if (height == 0 || width == 0 || mask.size() != height * width)
        throw shape_mismatch("envelope mask", std::to_string(height) + " x " + std::to_string(width) + " pixels",
                             std::to_string(mask.size()));
    check_calibration(calibration, static_cast<double>(height), "envelope mask");
    if (std::ranges::any_of(mask, [](float v) { return std::isnan(v); })) throw error("envelope mask", "numbers", "NaN");

    // the first rows whose centres lie above and not above the baseline are `upper` - 1 and `upper`
    const auto upper = std::min(height, static_cast<std::size_t>(std::max(0.0, std::ceil(calibration.baseline_row - 0.5))));
    const std::size_t above = options.folded ? height : upper, below = options.folded ? height : height - upper;
    const double first_above = calibration.baseline_row - (static_cast<double>(upper) - 0.5), first_below = 1.0 - first_above;
    std::vector<double> trace(width);
    for (std::size_t column = 0; column < width; ++column) {
        const auto in = [&](std::size_t row) { return mask[row % height * width + column] > options.threshold; };
        detail::bar up, down;
        if (options.side != flow_side::away) up = detail::best_bar(above, [&](std::size_t i) { return in(upper + 2 * height - 1 - i); });
        if (options.side != flow_side::towards) down = detail::best_bar(below, [&](std::size_t i) { return in(upper + i); });
        const auto rows = [](const detail::bar& b, double first) {
            return b.length == 0 ? 0.0 : static_cast<double>(b.length) - 0.5 + first;
        };
        trace[column] = calibration.cm_s_per_pixel * (up.gain >= down.gain ? rows(up, first_above) : -rows(down, first_below));
    }
    const auto half = static_cast<std::size_t>(std::max(0.0, 0.5 * (options.window_ms / calibration.ms_per_column - 1.0)));
    return half >= 2 ? detail::hampel(trace, half, 2.0 * calibration.cm_s_per_pixel) : trace;
}

/// To which side of the baseline most of the flow goes.
inline flow_side main_side(std::span<const double> trace) {
    double sum = 0.0;
    for (const double v : trace) sum += v;
    return sum < 0.0 ? flow_side::away : flow_side::towards;
}

/// One run of flow to one side, in columns [first, end).
struct flow_wave {
    std::size_t first = 0, end = 0;
    bool whole = false;   ///< begins and ends within the picture
    double peak = 0;      ///< cm/s, > 0
    double vti = 0;       ///< velocity-time integral, cm
    double mean_gradient = 0; ///< of 4 v^2 over the wave, mmHg
};

/// The waves of a trace on one side. Gaps up to 20 ms are bridged; waves shorter than 50 ms, or lower than 15 % of the highest, are
/// noise. A column belongs to a wave when it is above 1.5 rows and 3 % of the highest velocity. @throws option_error
inline std::vector<flow_wave> find_waves(std::span<const double> trace, flow_side side, const doppler_calibration& calibration) {
    check_calibration(calibration, calibration.baseline_row, "trace");
    const auto at = [&](std::size_t i) { return std::max(0.0, static_cast<int>(side) * trace[i]); };
    double highest = 0.0;
    for (std::size_t i = 0; i < trace.size(); ++i) highest = std::max(highest, at(i));
    const double level = std::max(1.5 * calibration.cm_s_per_pixel, 0.03 * highest), ms = calibration.ms_per_column;

    std::vector<flow_wave> waves;
    for (std::size_t i = 0; i < trace.size(); ++i) {
        if (at(i) <= level) continue;
        if (waves.empty() || static_cast<double>(i - waves.back().end) * ms > 20.0) waves.push_back({i, i});
        waves.back().end = i + 1;
    }
    for (flow_wave& w : waves) {
        double sum = 0.0, gradients = 0.0;
        for (std::size_t i = w.first; i < w.end; ++i) {
            w.peak = std::max(w.peak, at(i));
            sum += at(i);
            gradients += pressure_gradient(at(i));
        }
        w.whole = w.first > 0 && w.end < trace.size();
        w.vti = sum * ms / 1000.0;
        w.mean_gradient = gradients / static_cast<double>(w.end - w.first);
    }
    std::erase_if(waves, [&](const flow_wave& w) { return w.peak < 0.15 * highest || static_cast<double>(w.end - w.first) * ms < 50.0; });
    return waves;
}

/// What one wave per beat tells: outflow, stenosis, regurgitation, the systolic wave of tissue. Medians over the whole waves.
struct flow_quantities {
    std::size_t beats = 0; ///< whole waves; with none the rest is NaN
    double peak_velocity = undefined, vti = undefined, peak_gradient = undefined, mean_gradient = undefined;
};

/// @throws option_error
inline flow_quantities measure_flow(std::span<const double> trace, flow_side side, const doppler_calibration& calibration) {
    std::vector<double> peaks, distances, gradients;
    for (const flow_wave& w : find_waves(trace, side, calibration)) {
        if (!w.whole) continue;
        peaks.push_back(w.peak);
        distances.push_back(w.vti);
        gradients.push_back(w.mean_gradient);
    }
    const double peak = detail::median(peaks);
    return {peaks.size(), peak, detail::median(distances), pressure_gradient(peak), detail::median(gradients)};
}

/// What two waves per beat tell: mitral inflow (E, A), tissue in diastole (e', a').
struct filling_quantities {
    double early = undefined, late = undefined, early_to_late = undefined; ///< cm/s
    double vti = undefined;        ///< of both waves together, cm
    double heart_rate = undefined; ///< beats per minute
};

/// Peaks are told apart where the trace falls by 6 % of its highest velocity between them. Which of two is the early one follows from
/// the time between them: from a late to the next early peak it takes systole and relaxation, about 784 - 2.1 HR ms (the intervals
/// of Weissler, Harris, Schoenfeld, Circulation 37, 1968, 149-159, 85 ms of relaxation, 85 ms of acceleration, A 70 ms before R).
/// NaN when there are fewer than three peaks, or they do not take turns. @throws option_error
inline filling_quantities measure_filling(std::span<const double> trace, flow_side side, const doppler_calibration& calibration) {
    check_calibration(calibration, calibration.baseline_row, "trace");
    const auto at = [&](std::size_t i) { return std::max(0.0, static_cast<int>(side) * trace[i]); };
    double highest = 0.0;
    for (std::size_t i = 0; i < trace.size(); ++i) highest = std::max(highest, at(i));
    const double turn = std::max(1.5 * calibration.cm_s_per_pixel, 0.06 * highest);

    struct extreme {
        std::size_t column;
        double velocity;
    };
    std::vector<extreme> peaks;
    extreme top{0, at(0)}, bottom{0, at(0)};
    bool rising = true;
    for (std::size_t i = 1; i < trace.size(); ++i) {
        if (at(i) > top.velocity) top = {i, at(i)};
        if (at(i) < bottom.velocity) bottom = {i, at(i)};
        if (rising && at(i) < top.velocity - turn) {
            if (top.column > 0) peaks.push_back(top); // a fall from the border: its peak is not in the picture
            bottom = {i, at(i)};
            rising = false;
        } else if (!rising && at(i) > bottom.velocity + turn) {
            top = {i, at(i)};
            rising = true;
        }
    }
    std::erase_if(peaks, [&](const extreme& p) { return p.velocity < 0.15 * highest; });
    if (peaks.size() < 3) return {};

    const double ms = calibration.ms_per_column;
    std::vector<double> interval[2];
    for (std::size_t i = 0; i + 1 < peaks.size(); ++i)
        interval[i % 2].push_back(static_cast<double>(peaks[i + 1].column - peaks[i].column) * ms);
    const double between[2]{detail::median(interval[0]), detail::median(interval[1])}, period = between[0] + between[1];
    for (const int which : {0, 1})
        for (const double t : interval[which])
            if (std::abs(t - between[which]) > 0.25 * between[which] + 2.0 * ms) return {};

    const double heart_rate = 60000.0 / period, systole = 784.0 - 2.1 * heart_rate;
    const bool first_is_early = std::abs(between[1] - systole) < std::abs(between[0] - systole);
    std::vector<double> velocity[2];
    for (std::size_t i = 0; i < peaks.size(); ++i) velocity[i % 2].push_back(peaks[i].velocity);

    // over whole periods it does not matter where in the beat the picture begins
    const double columns = period / ms, periods = std::floor(static_cast<double>(trace.size()) / columns);
    double sum = 0.0;
    for (std::size_t i = 0; i < trace.size(); ++i) sum += at(i) * std::clamp(periods * columns - static_cast<double>(i), 0.0, 1.0);

    filling_quantities result;
    result.early = detail::median(velocity[first_is_early ? 0 : 1]);
    result.late = detail::median(velocity[first_is_early ? 1 : 0]);
    result.early_to_late = result.early / result.late;
    result.vti = periods == 0.0 ? undefined : sum * ms / 1000.0 / periods;
    result.heart_rate = heart_rate;
    return result;
}

} // namespace umsrep::metric
