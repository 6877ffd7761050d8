// SPDX-License-Identifier: MIT
#include <umsrep/data/sim/doppler.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <umsrep/data/sim/doppler_dataset.hpp>

#include "../support/message_of.hpp"

namespace doppler_tests {

using namespace umsrep;
using namespace umsrep::sim;

constexpr std::size_t flows = doppler_flow_names.size();

doppler_options of_size(int height, int width) {
    doppler_options options;
    options.height = height;
    options.width = width;
    return options;
}

doppler_spectrogram simulate(int size, std::uint64_t index, doppler_flow flow, std::uint64_t s = 1) {
    return simulate_doppler(of_size(size, size), seed{s}, index, flow);
}

doppler_flow flow_of(std::uint64_t index) { return static_cast<doppler_flow>(index % flows); }

bool equal(const doppler_spectrogram& a, const doppler_spectrogram& b) {
    return a.clean == b.clean && a.noisy == b.noisy && a.envelope == b.envelope && a.overlay == b.overlay && a.velocity == b.velocity &&
           a.calibration == b.calibration && a.quality == b.quality && a.peak_velocity == b.peak_velocity && a.vti == b.vti;
}

struct moments {
    double mean = 0, deviation = 0;
};
moments moments_of(const std::vector<double>& x) {
    const double n = static_cast<double>(x.size()), mean = std::accumulate(x.begin(), x.end(), 0.0) / n;
    double squares = 0;
    for (const double v : x) squares += (v - mean) * (v - mean);
    return {mean, std::sqrt(squares / n)};
}

double correlation(const std::vector<double>& a, const std::vector<double>& b) {
    const moments of_a = moments_of(a), of_b = moments_of(b);
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - of_a.mean) * (b[i] - of_b.mean);
    return sum / static_cast<double>(a.size()) / (of_a.deviation * of_b.deviation);
}

TEST_CASE("a simulated spectrogram is a pure function of options, seed, index and flow") {
    const auto reference = simulate(64, 4, doppler_flow::lvot);
    simulate(64, 9, doppler_flow::tissue); // what was asked for in between does not matter
    CHECK(equal(simulate(64, 4, doppler_flow::lvot), reference));
    std::array<bool, 3> same{};
    std::vector<std::thread> threads;
    for (bool& s : same) threads.emplace_back([&s, &reference] { s = equal(simulate(64, 4, doppler_flow::lvot), reference); });
    for (std::thread& t : threads) t.join();
    for (const bool s : same) CHECK(s);
    for (const auto& other : {simulate(64, 5, doppler_flow::lvot), simulate(64, 4, doppler_flow::lvot, 2)}) {
        CHECK(other.envelope != reference.envelope);
        CHECK(other.noisy != reference.noisy);
    }
}

TEST_CASE("another speckle is another noisy image and nothing else") {
    const auto a = simulate(64, 3, doppler_flow::mitral_regurgitation);
    const auto b = simulate_doppler(of_size(64, 64), seed{1}, 3, doppler_flow::mitral_regurgitation, random_stream{seed{77}});
    CHECK(a.noisy != b.noisy);
    CHECK(a.clean == b.clean);
    CHECK(a.envelope == b.envelope);
    CHECK(a.overlay == b.overlay);
}

TEST_CASE("the flow changes neither the heart nor the overlays nor the wish for a poor view") {
    for (std::uint64_t index = 0; index < 8; ++index) {
        const auto first = simulate(64, index, flow_of(0));
        for (std::size_t f = 1; f < flows; ++f) {
            const auto other = simulate(64, index, flow_of(f));
            CHECK(other.heart_rate == first.heart_rate);
            CHECK(other.overlay == first.overlay);
            CHECK(other.calibration.ms_per_column == first.calibration.ms_per_column);
        }
    }
}

TEST_CASE("at another size it is the same patient and the same view") {
    for (std::uint64_t index = 0; index < 2 * flows; ++index) {
        CAPTURE(index);
        const auto small = simulate(64, index, flow_of(index)), large = simulate(192, index, flow_of(index));
        CHECK(small.peak_velocity == large.peak_velocity);
        CHECK(small.vti == large.vti);
        CHECK(small.quality == large.quality);
        CHECK(small.calibration.cm_s_per_pixel == doctest::Approx(3.0 * large.calibration.cm_s_per_pixel));
        CHECK(small.calibration.baseline_row * 3.0 == doctest::Approx(large.calibration.baseline_row));
        int differ = 0; // the centre of a small pixel is the centre of the middle one of 3x3
        for (std::size_t y = 0; y < 64; ++y)
            for (std::size_t x = 0; x < 64; ++x) differ += small.envelope(0, y, x) != large.envelope(0, 3 * y + 1, 3 * x + 1);
        CHECK(differ <= 16); // rounding at the border
    }
}

TEST_CASE("images are (1, height, width) in [0, 1], the mask exactly 0 or 1, at any size") {
    for (const auto& [height, width] : {std::pair{32, 32}, {64, 128}, {129, 65}, {256, 256}}) {
        const auto s = simulate_doppler(of_size(height, width), seed{3}, 1, doppler_flow::aortic_regurgitation);
        for (const auto* image : {&s.clean, &s.noisy, &s.envelope, &s.overlay}) {
            CHECK(image->shape() == std::array<std::size_t, 3>{1, static_cast<std::size_t>(height), static_cast<std::size_t>(width)});
            CHECK(std::ranges::all_of(*image, [](float v) { return v >= 0 && v <= 1; }));
        }
        CHECK(std::ranges::all_of(s.envelope, [](float v) { return v == 0 || v == 1; }));
        CHECK(s.velocity.size() == static_cast<std::size_t>(width));
    }
}

TEST_CASE("one look of speckle has a standard deviation of 5.57 dB and mean power 1, M looks are Gamma(M, 1/M)") {
    for (const int looks : {1, 2, 4}) {
        CAPTURE(looks);
        const speckle field{200'000, looks, 0.5f, random_stream{seed{1}}};
        std::vector<double> power(field.power().begin(), field.power().end()), decibels;
        for (const double p : power) decibels.push_back(10.0 * std::log10(p));
        const moments linear = moments_of(power), logarithmic = moments_of(decibels);
        CHECK(linear.mean == doctest::Approx(1.0).epsilon(0.01));
        CHECK(linear.deviation == doctest::Approx(1.0 / std::sqrt(looks)).epsilon(0.02));
        // trigamma(1), (2), (4)
        const double variance = looks == 1 ? 1.644934 : looks == 2 ? 0.644934 : 0.283823;
        CHECK(logarithmic.deviation == doctest::Approx(10.0 / std::log(10.0) * std::sqrt(variance)).epsilon(0.01));
        if (looks == 1) {
            CHECK(logarithmic.deviation == doctest::Approx(5.57).epsilon(0.01));
            CHECK(logarithmic.mean == doctest::Approx(-2.507).epsilon(0.02)); // Euler's constant
        }
    }
}

TEST_CASE("speckle powers of columns k apart correlate with rho^2k, those of rows not at all") {
    for (const float rho : {0.0f, 0.4f, 0.8f}) {
        CAPTURE(rho);
        speckle field{50'000, 1, rho, random_stream{seed{2}}};
        const std::vector<double> first(field.power().begin(), field.power().end());
        std::vector<double> shifted(first.begin() + 1, first.end());
        shifted.push_back(first.front());
        CHECK(std::abs(correlation(first, shifted)) < 0.02);
        for (int k = 1; k <= 3; ++k) {
            field.advance();
            const std::vector<double> later(field.power().begin(), field.power().end());
            CHECK(std::abs(correlation(first, later) - std::pow(static_cast<double>(rho), 2 * k)) < 0.02);
        }
        CHECK(moments_of({field.power().begin(), field.power().end()}).mean == doctest::Approx(1.0).epsilon(0.02));
    }
}

TEST_CASE("in the image too: noise around the flow has the speckle's standard deviation in the display's decibels") {
    doppler_options options = of_size(256, 256);
    options.most_looks = 1;
    options.overlay_share = 0.0f;
    options.dynamic_range = {80.0f, 80.0f}; // wide enough that nothing is clipped at the upper end
    const auto s = simulate_doppler(options, seed{4}, 0, doppler_flow::mitral_stenosis);
    std::vector<double> decibels;
    for (std::size_t i = 0; i < s.clean.size(); ++i)
        if (s.clean.data()[i] > 0.4f && s.noisy.data()[i] > 0.0f) // far above black: no speckle falls below it
            decibels.push_back(80.0 * static_cast<double>(s.noisy.data()[i] - s.clean.data()[i]));
    REQUIRE(decibels.size() > 2000);
    CHECK(moments_of(decibels).deviation == doctest::Approx(5.57).epsilon(0.06));
    CHECK(moments_of(decibels).mean == doctest::Approx(-2.51).epsilon(0.15));
}

TEST_CASE("the display cuts off at black and at white, and shows decibels linearly between") {
    doppler_options options = of_size(128, 128);
    options.overlay_share = 0.0f;
    options.poor_share = 0.0f;
    const auto share = [&](float dynamic_range, float value) {
        options.dynamic_range = {dynamic_range, dynamic_range};
        const auto s = simulate_doppler(options, seed{4}, 0, doppler_flow::aortic_stenosis);
        return static_cast<double>(std::ranges::count(s.noisy, value)) / static_cast<double>(s.noisy.size());
    };
    CHECK(share(10.0f, 1.0f) > 0.05);           // a narrow range: the flow is white,
    CHECK(share(100.0f, 1.0f) == 0.0);          // a wide one: nothing is
    CHECK(share(10.0f, 0.0f) > 0.0);
    options.dynamic_range = {50.0f, 50.0f};
    const auto narrow = simulate_doppler(options, seed{4}, 0, doppler_flow::aortic_stenosis);
    options.dynamic_range = {100.0f, 100.0f};
    const auto wide = simulate_doppler(options, seed{4}, 0, doppler_flow::aortic_stenosis);
    for (std::size_t i = 0; i < narrow.noisy.size(); ++i)
        if (wide.noisy.data()[i] > 0.0f && wide.noisy.data()[i] < 0.5f)
            REQUIRE(narrow.noisy.data()[i] == doctest::Approx(2.0f * wide.noisy.data()[i]).epsilon(1e-4));
}

TEST_CASE("VTI, peak and gradients are those of the velocities that the columns hold") {
    doppler_options options = of_size(32, 2048); // fine columns
    for (std::uint64_t index = 0; index < 3 * flows; ++index) {
        CAPTURE(index);
        const auto s = simulate_doppler(options, seed{6}, index, flow_of(index));
        const bool away = flow_of(index) == doppler_flow::lvot || flow_of(index) == doppler_flow::aortic_stenosis ||
                          flow_of(index) == doppler_flow::mitral_regurgitation || flow_of(index) == doppler_flow::tricuspid_regurgitation;
        const double column = s.calibration.ms_per_column / 1000.0, period = 60.0 / static_cast<double>(s.heart_rate);
        double distance = 0, squares = 0, peak = 0, opposite = 0;
        int flowing = 0;
        const auto one_beat = static_cast<std::size_t>(std::lround(period / column));
        REQUIRE(one_beat <= s.velocity.size());
        for (std::size_t i = 0; i < one_beat; ++i) {
            const double v = (away ? -1.0 : 1.0) * static_cast<double>(s.velocity[i]);
            opposite = std::max(opposite, -v);
            if (v <= 0) continue;
            distance += v * column;
            squares += 4.0 * v * v / 1e4;
            peak = std::max(peak, v);
            ++flowing;
        }
        CHECK(static_cast<double>(s.vti) == doctest::Approx(distance).epsilon(0.01));
        CHECK(static_cast<double>(s.peak_velocity) == doctest::Approx(peak).epsilon(0.01));
        if (flow_of(index) == doppler_flow::tissue) {
            CHECK(std::isnan(s.mean_gradient));
            CHECK(opposite == doctest::Approx(static_cast<double>(std::max(s.early, s.late))).epsilon(0.01));
        } else {
            CHECK(opposite == 0.0);
            CHECK(s.peak_gradient == doctest::Approx(4e-4f * s.peak_velocity * s.peak_velocity));
            CHECK(static_cast<double>(s.mean_gradient) == doctest::Approx(squares / flowing).epsilon(0.02));
        }
        const bool filling = flow_of(index) == doppler_flow::mitral_inflow || flow_of(index) == doppler_flow::tissue;
        CHECK(std::isnan(s.early_to_late) == !filling);
        if (filling) CHECK(s.early_to_late == doctest::Approx(s.early / s.late));
        if (flow_of(index) == doppler_flow::mitral_inflow) CHECK(s.peak_velocity == std::max(s.early, s.late));
    }
}

TEST_CASE("the mask is the true velocity, folded: unwrapped, each column holds as many pixels as the velocity has rows") {
    int folded = 0;
    for (std::uint64_t index = 0; index < 20 * flows; ++index) {
        const auto s = simulate(64, index, flow_of(index), 8);
        CAPTURE(index);
        const double rows = 64.0, span = 2.0 * 100.0 * static_cast<double>(s.beam.nyquist());
        CHECK(s.calibration.cm_s_per_pixel * rows == doctest::Approx(span));
        for (std::size_t x = 0; x < 64; ++x) {
            double pixels = 0;
            for (std::size_t y = 0; y < 64; ++y) pixels += static_cast<double>(s.envelope(0, y, x));
            REQUIRE(std::abs(pixels - std::abs(static_cast<double>(s.velocity[x])) / s.calibration.cm_s_per_pixel) <= 1.001);
            // past a border: the part that is too fast is at the other one
            const double above = s.calibration.baseline_row, v = static_cast<double>(s.velocity[x]) / s.calibration.cm_s_per_pixel;
            if (v > above + 2.0 || -v > rows - above + 2.0) {
                REQUIRE(s.beam.mode != doppler_mode::continuous);
                CHECK(s.envelope(0, 0, x) == 1.0f);
                CHECK(s.envelope(0, 63, x) == 1.0f);
                ++folded;
            }
        }
        if (s.view.aliased()) CHECK(s.quality == view_quality::poor);
    }
    CHECK(folded > 20);
}

TEST_CASE("aliased power lies where the mask says: the folded part is as bright as the rest") {
    doppler_options options = of_size(128, 128);
    options.overlay_share = 0.0f;
    int seen = 0;
    for (std::uint64_t index = 0; index < 200 && seen < 4; ++index) {
        const auto s = simulate_doppler(options, seed{12}, index, doppler_flow::lvot);
        if (s.view.fill < 1.2f) continue;
        ++seen;
        // LVOT goes down, and comes back at the top
        double inside = 0, outside = 0;
        int inside_count = 0, outside_count = 0;
        for (std::size_t x = 0; x < 128; ++x)
            for (std::size_t y = 0; y < 8; ++y) {
                const bool in = s.envelope(0, y, x) == 1.0f;
                (in ? inside : outside) += static_cast<double>(s.clean(0, y, x));
                ++(in ? inside_count : outside_count);
            }
        REQUIRE(inside_count > 10);
        CHECK(inside / inside_count > 1.5 * outside / outside_count);
    }
    CHECK(seen == 4);
}

TEST_CASE("LVOT: 1.05 m/s are about 20 cm") {
    // the class as a whole is within the normal 18 to 22 cm on average, and VTI is proportional to the peak
    std::vector<double> at_105;
    for (std::uint64_t index = 0; index < 200; ++index) {
        const auto s = simulate(32, index, doppler_flow::lvot);
        at_105.push_back(105.0 * static_cast<double>(s.vti) / static_cast<double>(s.peak_velocity));
    }
    const moments m = moments_of(at_105);
    CHECK(m.mean > 18.0);
    CHECK(m.mean < 22.0);
    CHECK(m.deviation < 2.0);
}

TEST_CASE("the classes keep to their ranges: peak velocity in cm/s, E/A, grades of stenosis") {
    const std::array<sim::range, flows> peaks{{{40, 130}, {70, 130}, {260, 550}, {400, 600}, {200, 450}, {350, 500}, {150, 260}, {5, 12}}};
    std::array<int, 4> grades{};
    for (std::uint64_t index = 0; index < 60 * flows; ++index) {
        CAPTURE(index);
        const auto s = simulate(32, index, flow_of(index));
        const sim::range allowed = peaks[index % flows];
        CHECK(s.peak_velocity >= allowed.low * 0.999f);
        CHECK(s.peak_velocity <= allowed.high * 1.001f);
        CHECK(s.heart_rate >= 50.0f);
        CHECK(s.heart_rate <= 80.0f);
        if (flow_of(index) == doppler_flow::aortic_stenosis) ++grades[static_cast<std::size_t>(stenosis_grade_of(s.peak_velocity))];
    }
    CHECK(grades[0] == 0);
    for (std::size_t g = 1; g < 4; ++g) CHECK(grades[g] >= 10);
    CHECK(stenosis_grade_of(259) == stenosis_grade::none);
    CHECK(stenosis_grade_of(299) == stenosis_grade::mild);
    CHECK(stenosis_grade_of(399) == stenosis_grade::moderate);
    CHECK(stenosis_grade_of(400) == stenosis_grade::severe);
}

TEST_CASE("pressure half-time is the time in which the gradient halves") {
    using wave = detail::velocity_wave;
    const wave jet{wave::form::half_time, 0.0f, 2.0f, 4.0f, 0.3f};
    const float first = jet(0.04f), later = jet(0.34f);
    CHECK(first == doctest::Approx(4.0f));
    CHECK(later * later == doctest::Approx(0.5f * first * first));
}

TEST_CASE("waves peak where their parameter says, at their peak velocity, and are still outside of their time") {
    using wave = detail::velocity_wave;
    for (const auto& [shape, parameter, at] : {std::tuple{wave::form::ejection, 0.3f, 0.3f}, {wave::form::ejection, 0.45f, 0.45f},
                                              {wave::form::regurgitation, 2.5f, 0.5f}, {wave::form::filling, 0.35f, 0.35f},
                                              {wave::form::atrial, 0.0f, 0.5f}}) {
        const wave w{shape, 0.1f, 0.4f, -3.0f, parameter};
        CHECK(w(0.1f + 0.4f * at) == doctest::Approx(-3.0f).epsilon(1e-3));
        for (const float t : {0.0f, 0.0999f, 0.5001f, 0.7f}) CHECK(w(t) == 0.0f);
        for (float t = 0.0f; t < 0.6f; t += 0.01f) CHECK(w(t) >= -3.0f);
    }
}

TEST_CASE("the quality follows from SNR, coverage, fill and aliasing, each alone makes a view poor, and both qualities are common") {
    using q = view_quality;
    CHECK(acquisition{20, 1, 0.7f}.quality() == q::good);
    CHECK(acquisition{11.9f, 1, 0.7f}.quality() == q::poor);
    CHECK(acquisition{20, 0.79f, 0.7f}.quality() == q::poor);
    CHECK(acquisition{20, 1, 0.39f}.quality() == q::poor);
    CHECK(acquisition{20, 1, 1.01f}.quality() == q::poor);
    std::array<int, flows> good{};
    std::array<int, 4> reasons{};
    const int each = 150;
    for (std::uint64_t index = 0; index < each * flows; ++index) {
        const auto s = simulate(32, index, flow_of(index));
        CHECK(s.quality == s.view.quality());
        good[index % flows] += s.quality == q::good;
        reasons[0] += s.view.snr < 12.0f;
        reasons[1] += s.view.coverage < 0.8f;
        reasons[2] += s.view.fill < 0.4f;
        reasons[3] += s.view.aliased();
        if (s.beam.mode == doppler_mode::continuous) CHECK_FALSE(s.view.aliased());
    }
    for (const int g : good) { // one half, within 4 standard deviations
        CHECK(g > each / 2 - 25);
        CHECK(g < each / 2 + 25);
    }
    for (const int r : reasons) CHECK(r > 30);
}

TEST_CASE("options make another domain: what is asked for is what comes") {
    doppler_options options = of_size(64, 64);
    options.frequency = {5.0f, 5.0f};
    options.good_snr = {14.0f, 14.0f};
    options.poor_share = 0.0f;
    options.heart_rate = {45.0f, 45.0f};
    options.duration = {3.0f, 3.0f};
    options.fill = {0.6f, 0.6f};
    options.overlay_share = 0.0f;
    const auto s = simulate_doppler(options, seed{1}, 0, doppler_flow::mitral_inflow);
    CHECK(s.beam.frequency == doctest::Approx(5e6f));
    CHECK(s.view.snr == 14.0f);
    CHECK(s.view.fill == 0.6f);
    CHECK(s.quality == view_quality::good);
    CHECK(s.heart_rate == 45.0f);
    CHECK(s.calibration.ms_per_column == doctest::Approx(3000.0 / 64));
    CHECK(std::ranges::all_of(s.overlay, [](float v) { return v == 0.0f; }));
    CHECK(s.beam.nyquist() == doctest::Approx(1540.0f * s.beam.pulse_repetition_frequency() / (4.0f * 5e6f)));
}

TEST_CASE("options that cannot be are refused by name") {
    const auto refused = [](auto&& change) {
        doppler_options options;
        change(options);
        return test::message_of<option_error>([&] { simulate_doppler(options, seed{1}, 0, doppler_flow::lvot); });
    };
    const auto says = [](const std::string& message, const char* words) { return message.find(words) != std::string::npos; };
    CHECK(says(refused([](auto& o) { o.height = 31; }), "Doppler height or width: expected 32 to 2048, got 31"));
    CHECK(says(refused([](auto& o) { o.width = 4096; }), "got 4096"));
    CHECK(says(refused([](auto& o) { o.heart_rate = {60, 100}; }), "Doppler heart_rate"));
    CHECK(says(refused([](auto& o) { o.duration = {3, 2}; }), "Doppler duration"));
    CHECK(says(refused([](auto& o) { o.frequency = {0, 2}; }), "Doppler frequency"));
    CHECK(says(refused([](auto& o) { o.dynamic_range = {40, std::numeric_limits<float>::infinity()}; }), "Doppler dynamic_range"));
    CHECK(says(refused([](auto& o) { o.correlation = {0, 1}; }), "Doppler correlation"));
    CHECK(says(refused([](auto& o) { o.good_snr = {0, std::numeric_limits<float>::quiet_NaN()}; }), "Doppler good_snr"));
    CHECK(says(refused([](auto& o) { o.poor_snr = {90, 91}; }), "Doppler poor_snr"));
    CHECK(says(refused([](auto& o) { o.fill = {0, 1}; }), "Doppler fill"));
    CHECK(says(refused([](auto& o) { o.poor_share = 1.5f; }), "Doppler poor_share"));
    CHECK(says(refused([](auto& o) { o.overlay_share = -0.5f; }), "Doppler overlay_share"));
    CHECK(says(refused([](auto& o) { o.fewest_looks = 0; }), "Doppler looks"));
    CHECK(says(refused([](auto& o) { o.fewest_looks = 4; }), "got 4 to 3"));
}

} // namespace doppler_tests
