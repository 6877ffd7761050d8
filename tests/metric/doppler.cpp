// SPDX-License-Identifier: MIT
#include <umsrep/metric/doppler.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <umsrep/core/random.hpp>
#include <umsrep/data/sim/doppler.hpp>

#include "../support/message_of.hpp"

namespace doppler_metric_tests {

using namespace umsrep;
using namespace umsrep::metric;
using sim::doppler_flow;

sim::doppler_spectrogram simulate(int size, std::uint64_t index, doppler_flow flow) {
    sim::doppler_options options;
    options.height = options.width = size;
    return sim::simulate_doppler(options, seed{5}, index, flow);
}

std::vector<double> trace_of(const sim::doppler_spectrogram& s, const xt::xtensor<float, 3>& mask, envelope_options options = {}) {
    options.folded = s.beam.mode != sim::doppler_mode::continuous;
    return envelope_trace({mask.data(), mask.size()}, mask.shape()[1], mask.shape()[2], s.calibration, options);
}

flow_side side_of(const sim::doppler_spectrogram& s) {
    switch (s.flow) {
    case doppler_flow::lvot:
    case doppler_flow::aortic_stenosis:
    case doppler_flow::mitral_regurgitation:
    case doppler_flow::tricuspid_regurgitation: return flow_side::away;
    default: return flow_side::towards;
    }
}

/// How much faster a flow can be between two columns than at the nearer of them: half a column times its steepest slope near the
/// peak. Ejection and regurgitation are flat there; E falls in 140 ms or more; half-time flow has a corner of 40 ms.
double between_columns(const sim::doppler_spectrogram& s) {
    const double half = 0.5 * s.calibration.ms_per_column, peak = static_cast<double>(s.peak_velocity);
    switch (s.flow) {
    case doppler_flow::mitral_inflow: return peak * half / 140.0;
    case doppler_flow::aortic_regurgitation:
    case doppler_flow::mitral_stenosis: return peak * half / 40.0;
    default: return peak * 0.02;
    }
}

/// A mask of bars from the baseline at row 6 of 12: lengths in rows, upward positive.
std::vector<float> bars(const std::vector<int>& lengths) {
    std::vector<float> mask(12 * lengths.size());
    for (std::size_t column = 0; column < lengths.size(); ++column)
        for (int i = 0; i < std::abs(lengths[column]); ++i) {
            const int row = lengths[column] > 0 ? 5 - i : 6 + i;
            mask[static_cast<std::size_t>((row + 24) % 12) * lengths.size() + column] = 1.0f;
        }
    return mask;
}

constexpr doppler_calibration square{2.0, 10.0, 6.0};

TEST_CASE("the trace of a mask is the length of its bars, in cm/s, also where they go on at the other border") {
    const std::vector<int> lengths{0, 1, 3, 6, 8, 6, 3, 1, 0, -1, -4, -6, -9, -6, -2, 0};
    const auto trace = envelope_trace(bars(lengths), 12, lengths.size(), square);
    for (std::size_t i = 0; i < lengths.size(); ++i) CHECK(trace[i] == 2.0 * lengths[i]);
}

TEST_CASE("an unfolded trace stops at the border, a one-sided one looks at its side only") {
    const std::vector<int> lengths{0, 3, 5, 5, -4, -4, 0};
    auto mask = bars(lengths);
    for (std::size_t column = 0; column < lengths.size(); ++column) mask[11 * lengths.size() + column] = 1.0f; // a line at the lower border
    envelope_options options{.folded = false, .window_ms = 0.0};
    const auto trace = envelope_trace(mask, 12, lengths.size(), square, options);
    for (std::size_t i = 0; i < lengths.size(); ++i) CHECK(trace[i] == 2.0 * lengths[i]);
    options.side = flow_side::away;
    const auto away = envelope_trace(mask, 12, lengths.size(), square, options);
    for (std::size_t i = 0; i < lengths.size(); ++i) CHECK(away[i] == std::min(0.0, 2.0 * lengths[i]));
}

TEST_CASE("holes, specks and lone columns do not move the trace") {
    std::vector<int> lengths(40, 5);
    auto mask = bars(lengths);
    mask[3 * 40 + 10] = 0.0f;                                       // a hole
    mask[5 * 40 + 11] = mask[4 * 40 + 11] = 0.0f;                   // a gap above the baseline
    mask[10 * 40 + 12] = 1.0f;                                      // a speck
    for (int row = 0; row < 6; ++row) mask[static_cast<std::size_t>(row) * 40 + 20] = 0.0f; // a column lost
    const auto trace = envelope_trace(mask, 12, 40, square);
    for (const double v : trace) CHECK(v == 10.0);
    const auto unfiltered = envelope_trace(mask, 12, 40, square, {.window_ms = 0.0});
    CHECK(unfiltered[20] == 0.0); // so it was the filter
}

TEST_CASE("the trace of a true mask is the true velocity within half a row, aliased or not") {
    int aliased = 0;
    for (std::uint64_t index = 0; index < 160; ++index) {
        const auto s = simulate(index % 2 == 0 ? 256 : 64, index, static_cast<doppler_flow>(index / 2 % 8));
        CAPTURE(index);
        const auto trace = trace_of(s, s.envelope);
        REQUIRE(trace.size() == s.velocity.size());
        double worst = 0.0; // in rows
        for (std::size_t i = 0; i < trace.size(); ++i) {
            const double truth = static_cast<double>(s.velocity[i]) / s.calibration.cm_s_per_pixel;
            if (trace[i] == 0.0 && std::abs(truth) <= 1.0) continue; // no pixel's centre is that near to the baseline
            worst = std::max(worst, std::abs(trace[i] / s.calibration.cm_s_per_pixel - truth));
        }
        CHECK(worst <= 0.501);
        aliased += s.view.aliased() && s.beam.mode != sim::doppler_mode::continuous;
    }
    CHECK(aliased >= 3);
}

TEST_CASE("from a true mask come the true peak velocity, VTI and gradients, within a row and what lies between columns") {
    for (std::uint64_t index = 0; index < 96; ++index) {
        const auto flow = static_cast<doppler_flow>(1 + index % 7); // all that has one wave per beat; of tissue the systolic one
        const auto s = simulate(256, index, flow);
        CAPTURE(index);
        CAPTURE(sim::doppler_flow_names[static_cast<std::size_t>(flow)]);
        const auto trace = trace_of(s, s.envelope);
        const auto q = measure_flow(trace, side_of(s), s.calibration);
        REQUIRE(q.beats >= 1);
        const double row = s.calibration.cm_s_per_pixel, peak = static_cast<double>(s.peak_velocity), vti = static_cast<double>(s.vti);
        const double tolerance = row + between_columns(s);
        CHECK(std::abs(q.peak_velocity - peak) <= tolerance);
        // a wave's area: half a row over its length, and its two border columns
        const double seconds = 0.8 * 60.0 / static_cast<double>(s.heart_rate), column = s.calibration.ms_per_column / 1000.0;
        CHECK(std::abs(q.vti - vti) <= 0.5 * row * seconds + peak * column);
        if (flow == doppler_flow::tissue) {
            CHECK(std::isnan(s.peak_gradient));
            continue;
        }
        const double gradient_tolerance = pressure_gradient(peak + tolerance) - pressure_gradient(peak);
        CHECK(std::abs(q.peak_gradient - static_cast<double>(s.peak_gradient)) <= gradient_tolerance);
        CHECK(std::abs(q.mean_gradient / static_cast<double>(s.mean_gradient) - 1.0) <= 0.08);
    }
}

TEST_CASE("from a true mask come E, A, E/A, VTI and the heart rate, and e' and a' of tissue") {
    int measured = 0;
    for (std::uint64_t index = 0; index < 80; ++index) {
        const auto flow = index % 2 == 0 ? doppler_flow::mitral_inflow : doppler_flow::tissue;
        const auto s = simulate(256, index, flow);
        CAPTURE(index);
        const auto trace = trace_of(s, s.envelope);
        const auto q = measure_filling(trace, flow == doppler_flow::tissue ? flow_side::away : flow_side::towards, s.calibration);
        if (std::isnan(q.early)) continue; // A on the flank of E
        ++measured;
        const double row = s.calibration.cm_s_per_pixel, column = s.calibration.ms_per_column;
        const double early = static_cast<double>(s.early), late = static_cast<double>(s.late);
        const double early_tolerance = row + early * 0.5 * column / 60.0, late_tolerance = row + late * 0.08;
        CHECK(std::abs(q.early - early) <= early_tolerance);
        CHECK(std::abs(q.late - late) <= late_tolerance);
        const double ratio_tolerance = 0.02 + early_tolerance / early + late_tolerance / late;
        CHECK(std::abs(q.early_to_late / static_cast<double>(s.early_to_late) - 1.0) <= ratio_tolerance);
        CHECK(std::abs(q.heart_rate - static_cast<double>(s.heart_rate)) <= 2.5);
        if (flow == doppler_flow::mitral_inflow) CHECK(std::abs(q.vti / static_cast<double>(s.vti) - 1.0) <= 0.06);
    }
    CHECK(measured >= 70);
}

TEST_CASE("a mask in which every twentieth pixel is wrong tells peak velocity and VTI within a few percent") {
    random_stream random{seed{9}, "flips"};
    for (std::uint64_t index = 0; index < 24; ++index) {
        auto s = simulate(256, index, index % 2 == 0 ? doppler_flow::lvot : doppler_flow::aortic_stenosis);
        if (s.view.fill < 0.4f) continue; // a few rows high: nothing to be robust with
        CAPTURE(index);
        for (float& v : s.envelope)
            if (random.uniform() < 0.05f) v = 1.0f - v;
        const auto q = measure_flow(trace_of(s, s.envelope), flow_side::away, s.calibration);
        CHECK(std::abs(q.peak_velocity / static_cast<double>(s.peak_velocity) - 1.0) <= 0.05);
        CHECK(std::abs(q.vti / static_cast<double>(s.vti) - 1.0) <= 0.05);
    }
}

TEST_CASE("4.3 m/s are 74 mmHg") { CHECK(pressure_gradient(430.0) == doctest::Approx(73.96)); }

TEST_CASE("what a picture does not show is NaN") {
    const std::vector<double> nothing(50, 0.0), half_a_wave{30, 28, 26, 24, 20, 14, 8, 0, 0, 0, 0, 0};
    CHECK(measure_flow(nothing, flow_side::towards, square).beats == 0);
    CHECK(std::isnan(measure_flow(nothing, flow_side::towards, square).peak_velocity));
    CHECK(std::isnan(measure_flow(half_a_wave, flow_side::towards, square).vti));
    CHECK(std::isnan(measure_filling(nothing, flow_side::towards, square).early_to_late));
    CHECK(std::isnan(measure_filling(half_a_wave, flow_side::towards, square).early));
}

TEST_CASE("the side with more flow is the main one") {
    CHECK(main_side(std::vector<double>{0, 3, -1}) == flow_side::towards);
    CHECK(main_side(std::vector<double>{0, 3, -4}) == flow_side::away);
}

TEST_CASE("a mask of the wrong size, a NaN, an impossible calibration are refused by name") {
    using test::message_of;
    const std::vector<float> mask(12 * 4);
    CHECK(message_of<shape_mismatch>([&] { envelope_trace(mask, 12, 5, square); }) == "envelope mask: expected 12 x 5 pixels, got 48");
    CHECK(message_of<shape_mismatch>([&] { envelope_trace(std::span{mask}.first(0), 0, 4, square); }).find("envelope mask") == 0);
    std::vector<float> bad = mask;
    bad[7] = std::numeric_limits<float>::quiet_NaN();
    CHECK(message_of<error>([&] { envelope_trace(bad, 12, 4, square); }) == "envelope mask: expected numbers, got NaN");
    const auto with = [&](const doppler_calibration& c) { return message_of<option_error>([&] { envelope_trace(mask, 12, 4, c); }); };
    CHECK(with({0.0, 10.0, 6.0}).find("envelope mask: cm/s per pixel: expected a number above 0") == 0);
    CHECK(with({1.0, -1.0, 6.0}).find("envelope mask: ms per column") == 0);
    CHECK(with({1.0, 10.0, 12.5}).find("envelope mask: baseline row: expected 0 to 12") == 0);
    CHECK(with({1.0, 10.0, std::numeric_limits<double>::quiet_NaN()}).find("baseline row") != std::string::npos);
}

TEST_CASE("a resampled picture has a resampled calibration") {
    const doppler_calibration half = square.resampled(0.5, 2.0);
    CHECK(half == doppler_calibration{4.0, 5.0, 3.0});
}

} // namespace doppler_metric_tests
