// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <xtensor/xtensor.hpp>

#include <umsrep/core/doppler_calibration.hpp>
#include <umsrep/core/error.hpp>
#include <umsrep/core/random.hpp>
#include <umsrep/data/sim/doppler_flow.hpp>
#include <umsrep/data/sim/doppler_overlay.hpp>
#include <umsrep/data/sim/doppler_spectrum.hpp>
#include <umsrep/data/sim/range.hpp>
#include <umsrep/data/sim/speckle.hpp>

namespace umsrep::sim {

/// Ranges from which each spectrogram is drawn; others than in training make a domain that was not trained on.
struct doppler_options {
    int height = 256, width = 256;            ///< pixels, 32 to 2048
    range heart_rate{50.0f, 80.0f};           ///< beats per minute, 40 to 80: above, E and A run into one another
    range duration{2.2f, 3.2f};               ///< of the sweep, s; below 2.2 a picture may lack a whole beat
    range frequency{2.0f, 3.5f};              ///< of the transmitted sound, MHz
    range dynamic_range{35.0f, 55.0f};        ///< of the display, dB
    range correlation{0.4f, 0.8f};            ///< of the speckle from column to column, below 1
    int fewest_looks = 1, most_looks = 3;     ///< spectra that are averaged
    range good_snr{15.0f, 30.0f};             ///< of a good view, dB
    range poor_snr{2.0f, 9.0f};               ///< of a view that is poor because of it
    range fill{0.50f, 0.92f};                 ///< share of its side of the display that the flow takes in a good view
    float poor_share = 0.5f;                  ///< probability that a view is made poor
    float overlay_share = 0.8f;               ///< probability of an electrocardiogram, ticks, numbers
};

/// Options of another machine, to test what was trained on `o`: higher frequency, wider display, plain speckle, coarse scale, slow hearts.
inline doppler_options shifted_domain(doppler_options o) {
    o.frequency = {4.0f, 5.0f};
    o.dynamic_range = {56.0f, 70.0f};
    o.most_looks = 1;
    o.correlation = {0.1f, 0.3f};
    o.good_snr = {13.0f, 20.0f};
    o.fill = {0.42f, 0.50f};
    o.heart_rate = {42.0f, 50.0f};
    o.duration = {3.2f, 4.0f};
    return o;
}

/// How much of a spectrogram can be used.
enum class view_quality : int { poor = 0, good = 1 };

inline constexpr std::array<std::string_view, 2> view_quality_names{"poor", "good"};

/// The four things that make a view good.
struct acquisition {
    float snr = 0;      ///< strongest flow over noise, dB
    float coverage = 0; ///< share of the columns with flow in which less than 6 dB of it are lost
    float fill = 0;     ///< highest velocity over what its side of the display holds; of pulsed waves and tissue above 1: aliased
    bool aliased() const { return fill > 1.0f; }

    /// Good: at least 12 dB and 80 % covered, between 40 % and the whole of the display used.
    view_quality quality() const {
        return snr >= 12.0f && coverage >= 0.8f && fill >= 0.4f && !aliased() ? view_quality::good : view_quality::poor;
    }
};

/// One simulated Doppler spectrogram with everything that is true of it. Images are (1, height, width), float in [0, 1].
struct doppler_spectrogram {
    xt::xtensor<float, 3> clean;    ///< the display of the expected power: no speckle
    xt::xtensor<float, 3> noisy;    ///< the same with speckle
    xt::xtensor<float, 3> envelope; ///< 1 between baseline and envelope, folded like the image where it aliases, else 0
    xt::xtensor<float, 3> overlay;  ///< what is drawn over both images: the brighter of the two is seen

    doppler_flow flow = doppler_flow::mitral_inflow;
    view_quality quality = view_quality::poor;
    acquisition view;
    doppler_beam beam;
    doppler_calibration calibration;
    float heart_rate = 0; ///< beats per minute

    std::vector<float> velocity; ///< the envelope at the middle of each column, cm/s, unwrapped, positive towards the transducer

    // Of one beat, in the flow's direction (of tissue: the systolic wave), whether or not a column shows its peak.
    float peak_velocity = 0; ///< cm/s, >= 0
    float vti = 0;           ///< velocity-time integral, cm
    float peak_gradient = 0; ///< 4 v^2, mmHg; of tissue NaN, as is the next
    float mean_gradient = 0; ///< mean of 4 v^2 while there is flow, mmHg
    // Of mitral inflow E and A, of tissue e' and a'; of other flow NaN.
    float early = 0, late = 0; ///< cm/s
    float early_to_late = 0;
};

namespace detail {

inline void check(const doppler_options& o) {
    for (const int side : {o.height, o.width})
        if (side < 32 || side > 2048) throw option_error("Doppler height or width", "32 to 2048", std::to_string(side));
    check_range("Doppler heart_rate", o.heart_rate, heart_cycle::slowest, heart_cycle::fastest);
    check_range("Doppler duration", o.duration, 0.5f, 20.0f);
    check_range("Doppler frequency", o.frequency, 0.5f, 20.0f);
    check_range("Doppler dynamic_range", o.dynamic_range, 10.0f, 100.0f);
    check_range("Doppler correlation", o.correlation, 0.0f, 0.999f);
    check_range("Doppler good_snr", o.good_snr, -20.0f, 60.0f);
    check_range("Doppler poor_snr", o.poor_snr, -20.0f, 60.0f);
    check_range("Doppler fill", o.fill, 0.05f, 1.0f);
    check_range("Doppler poor_share", {o.poor_share, o.poor_share}, 0.0f, 1.0f);
    check_range("Doppler overlay_share", {o.overlay_share, o.overlay_share}, 0.0f, 1.0f);
    if (o.fewest_looks < 1 || o.most_looks < o.fewest_looks || o.most_looks > 64)
        throw option_error("Doppler looks", "fewest_looks to most_looks within 1 to 64",
                           std::to_string(o.fewest_looks) + " to " + std::to_string(o.most_looks));
}

/// What an operator sets and what the patient's chest allows, before the flow is known in numbers.
struct doppler_view {
    float snr, fill, above; // above: share of the display on the flow's side of the baseline
    float fade_from = 0, fade_to = 0, fade = 0; // a part of the sweep in which the beam was lost: shares of the width, dB
    float ripple;                               // slow changes of the signal elsewhere, dB

    static doppler_view draw(const doppler_options& o, doppler_mode mode, random_stream& random) {
        doppler_view v{};
        v.snr = o.good_snr.draw(random);
        v.fill = o.fill.draw(random);
        v.above = mode == doppler_mode::tissue ? random.uniform(0.42f, 0.58f) : random.uniform(0.55f, 0.85f);
        v.ripple = random.uniform(0.0f, 2.0f);
        if (random.uniform() >= o.poor_share) return v;
        switch (random.below(4)) { // what is wrong with it
        case 0: v.snr = o.poor_snr.draw(random); break;
        case 1: {
            const float lost = random.uniform(0.40f, 0.70f);
            v.fade_from = random.uniform(-0.1f, 1.1f - lost);
            v.fade_to = v.fade_from + lost;
            v.fade = random.uniform(12.0f, 24.0f);
            break;
        }
        case 2:
            if (mode != doppler_mode::continuous) { // a continuous wave does not alias: its scale is too coarse instead
                v.fill = random.uniform(1.12f, 1.45f);
                v.above = random.uniform(0.42f, 0.58f);
                break;
            }
            [[fallthrough]];
        case 3: v.fill = random.uniform(0.15f, 0.33f); break;
        }
        return v;
    }

    /// dB that are lost at x, 0 to 1 from the left edge to the right.
    float loss(float x) const {
        const float edge = 0.02f, inside = std::min(x - fade_from, fade_to - x) / edge;
        return ripple * (1.0f + std::sin(9.0f * x)) * 0.5f + (fade > 0.0f ? fade * std::clamp(0.5f + 0.5f * inside, 0.0f, 1.0f) : 0.0f);
    }
};

inline doppler_beam draw_beam(const doppler_options& o, doppler_mode mode, random_stream& random) {
    doppler_beam beam;
    beam.mode = mode;
    beam.frequency = 1e6f * o.frequency.draw(random);
    beam.window = mode == doppler_mode::tissue ? random.uniform(0.020f, 0.030f) : random.uniform(0.008f, 0.015f);
    beam.broadening = random.uniform(0.02f, 0.06f);
    beam.lower_edge = random.uniform(0.65f, 0.85f);
    const float pulsed_filter = random.uniform(0.04f, 0.10f), clutter = random.uniform(0.05f, 0.6f);
    beam.wall_filter = mode == doppler_mode::tissue ? 0.0f : mode == doppler_mode::pulsed ? pulsed_filter : 4.0f * pulsed_filter;
    beam.clutter = mode == doppler_mode::tissue ? 0.0f : clutter;
    return beam;
}

/// Truth of one beat.
inline void describe_beat(const doppler_waveform& waveform, doppler_spectrogram& result) {
    constexpr int steps = 4096;
    constexpr float undefined = std::numeric_limits<float>::quiet_NaN();
    double distance = 0.0, squares = 0.0;
    int flowing = 0;
    for (int i = 0; i < steps; ++i) {
        const float v = waveform.direction() * waveform.velocity(waveform.period() * (static_cast<float>(i) + 0.5f) / steps);
        if (v <= 0.0f) continue;
        distance += static_cast<double>(v);
        squares += static_cast<double>(v) * static_cast<double>(v);
        ++flowing;
    }
    const bool blood = waveform.flow() != doppler_flow::tissue, inflow = waveform.has_early_and_late();
    const float peak = waveform.peak(waveform.direction());
    result.peak_velocity = 100.0f * peak;
    result.vti = 100.0f * waveform.period() * static_cast<float>(distance / steps);
    result.peak_gradient = blood ? 4.0f * peak * peak : undefined;
    result.mean_gradient = blood ? static_cast<float>(4.0 * squares / flowing) : undefined;
    result.early = inflow ? 100.0f * waveform.early() : undefined;
    result.late = inflow ? 100.0f * waveform.late() : undefined;
    result.early_to_late = result.early / result.late;
}

} // namespace detail

/// Simulates spectrogram `index` of the series `s`: the velocities of a beat, the power spectrum of each column (envelope, intrinsic
/// broadening, folding, wall filter), noise, speckle, the display, overlays. A pure function of its arguments: the same picture on
/// any thread, in any order; at another size the same patient and the same view. `noise` overrides the speckle's stream.
/// The heart, the overlays and whether the view is poor do not depend on the flow. @throws option_error
inline doppler_spectrogram simulate_doppler(const doppler_options& options, seed s, std::uint64_t index, doppler_flow flow,
                                            random_stream noise) {
    detail::check(options);
    const auto rows = static_cast<std::size_t>(options.height), columns = static_cast<std::size_t>(options.width);
    random_stream heart_draw{s, "doppler heart", index}, patient{s, "doppler patient", index}, view_draw{s, "doppler view", index};
    random_stream machine{s, "doppler machine", index}, overlay_draw{s, "doppler overlay", index};

    const heart_cycle heart = heart_cycle::draw(options.heart_rate, heart_draw);
    const float first = heart_draw.uniform() * heart.period(); // time of the left edge
    const float duration = options.duration.draw(heart_draw), column_time = duration / static_cast<float>(columns);
    const doppler_waveform waveform = doppler_waveform::draw(flow, heart, patient);
    const auto view = detail::doppler_view::draw(options, mode_of(flow), view_draw);
    doppler_beam beam = detail::draw_beam(options, mode_of(flow), machine);

    doppler_spectrogram result;
    result.flow = flow;
    result.heart_rate = heart.rate;
    for (auto* image : {&result.clean, &result.noisy, &result.envelope, &result.overlay})
        *image = xt::zeros<float>(std::array<std::size_t, 3>{1, rows, columns});
    detail::describe_beat(waveform, result);

    // the scale: the flow fills its side of the display as the view says
    const float up = waveform.direction() > 0.0f ? view.above : 1.0f - view.above, down = 1.0f - up;
    beam.span = std::max(waveform.peak(1.0f) / up, waveform.peak(-1.0f) / down) / view.fill;
    result.beam = beam;
    const float row_velocity = beam.span / static_cast<float>(rows), baseline = up * static_cast<float>(rows);
    result.calibration = {100.0 * static_cast<double>(row_velocity), 1000.0 * static_cast<double>(column_time),
                          static_cast<double>(baseline)};

    if (overlay_draw.uniform() < options.overlay_share) {
        doppler_overlay overlay{options.height, options.width};
        overlay.draw(first / heart.period(), duration / heart.period(), overlay_draw);
        std::ranges::copy(overlay.layer(), result.overlay.data());
    }

    const auto choices = static_cast<std::uint32_t>(options.most_looks - options.fewest_looks + 1);
    const int looks = options.fewest_looks + static_cast<int>(machine.below(choices));
    const float dynamic_range = options.dynamic_range.draw(machine);
    const float black = machine.uniform(-12.0f, -2.0f) - view.snr; // dB: the gain is such that noise shows
    const float floor = std::pow(10.0f, -0.1f * view.snr);
    const auto display = [&](float power) { return std::clamp((10.0f * std::log10(power) - black) / dynamic_range, 0.0f, 1.0f); };

    speckle grain{rows, looks, options.correlation.draw(machine), noise};
    int flowing = 0, seen = 0;
    for (std::size_t column = 0; column < columns; ++column) {
        if (column > 0) grain.advance();
        const float x = (static_cast<float>(column) + 0.5f) / static_cast<float>(columns), t = first + x * duration;
        constexpr float step = 0.004f;
        const auto width_of = [&](float before, float now, float after) { return beam.width(now, (after - before) / (2.0f * step)); };
        const float v = waveform.velocity(t), other = waveform.companion(t);
        const float width = width_of(waveform.velocity(t - step), v, waveform.velocity(t + step));
        const float other_width = width_of(waveform.companion(t - step), other, waveform.companion(t + step));
        const float loss = view.loss(x), gain = std::pow(10.0f, -0.1f * loss);
        result.velocity.push_back(100.0f * v);
        flowing += v != 0.0f;
        seen += v != 0.0f && loss < 6.0f;
        for (std::size_t row = 0; row < rows; ++row) {
            const float u = (baseline - static_cast<float>(row) - 0.5f) * row_velocity;
            float power = beam.folded_power(u, v, width);
            if (other != 0.0f) power += waveform.companion_power() * beam.folded_power(u, other, other_width);
            power = (power + beam.clutter_power(u)) * beam.wall_gain(u) * gain + floor;
            const std::size_t pixel = row * columns + column;
            const float drawn = result.overlay.data()[pixel];
            result.clean.data()[pixel] = std::max(drawn, display(power));
            result.noisy.data()[pixel] = std::max(drawn, display(power * grain.power()[row]));
            result.envelope.data()[pixel] = beam.inside(u, v) ? 1.0f : 0.0f;
        }
    }
    result.view = {view.snr, static_cast<float>(seen) / static_cast<float>(std::max(1, flowing)), view.fill};
    result.quality = result.view.quality();
    return result;
}

/// The same with the speckle that belongs to (s, index).
inline doppler_spectrogram simulate_doppler(const doppler_options& options, seed s, std::uint64_t index, doppler_flow flow) {
    return simulate_doppler(options, s, index, flow, random_stream{s, "doppler speckle", index});
}

} // namespace umsrep::sim
