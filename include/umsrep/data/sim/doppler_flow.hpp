// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string_view>
#include <vector>

#include <umsrep/core/random.hpp>
#include <umsrep/data/sim/range.hpp>

namespace umsrep::sim {

/// What the ultrasound beam meets, seen from the apex. The number is the class index. Aortic stenosis is one class: its grade is a
/// matter of the peak velocity, which a picture tells only together with its calibration (`stenosis_grade_of`).
enum class doppler_flow : int {
    mitral_inflow = 0,
    lvot = 1,
    aortic_stenosis = 2,
    mitral_regurgitation = 3,
    tricuspid_regurgitation = 4,
    aortic_regurgitation = 5,
    mitral_stenosis = 6,
    tissue = 7,
};

inline constexpr std::array<std::string_view, 8> doppler_flow_names{
    "mitral_inflow",           "lvot",                 "aortic_stenosis", "mitral_regurgitation",
    "tricuspid_regurgitation", "aortic_regurgitation", "mitral_stenosis", "tissue"};

enum class doppler_mode { pulsed, continuous, tissue };

constexpr doppler_mode mode_of(doppler_flow flow) {
    switch (flow) {
    case doppler_flow::mitral_inflow:
    case doppler_flow::lvot: return doppler_mode::pulsed;
    case doppler_flow::tissue: return doppler_mode::tissue;
    default: return doppler_mode::continuous;
    }
}

enum class stenosis_grade { none, mild, moderate, severe };

/// Of an aortic jet, by its peak velocity in cm/s: mild from 260, moderate from 300, severe from 400. Baumgartner et al.,
/// Recommendations on the echocardiographic assessment of aortic valve stenosis, J Am Soc Echocardiogr 30, 2017, 372-392.
constexpr stenosis_grade stenosis_grade_of(float peak) {
    return peak >= 400.0f ? stenosis_grade::severe
         : peak >= 300.0f ? stenosis_grade::moderate
         : peak >= 260.0f ? stenosis_grade::mild
                          : stenosis_grade::none;
}

/// The timing of one heart beat, in seconds after the R wave. Pre-ejection period and ejection time follow the heart rate as in
/// Weissler, Harris, Schoenfeld, Circulation 37, 1968, 149-159 (men): PEP = 131 - 0.4 HR, LVET = 413 - 1.7 HR, ms.
struct heart_cycle {
    /// beats per minute; above it the E wave would run into the A wave
    static constexpr float slowest = 40.0f, fastest = 80.0f;

    float rate;       ///< beats per minute
    float relaxation; ///< isovolumic, from aortic closure to mitral opening

    static heart_cycle draw(range rate, random_stream& random) {
        heart_cycle h{rate.draw(random), 0.0f};
        h.relaxation = random.uniform(0.060f, std::min(0.110f, h.room() - 0.070f));
        return h;
    }

    float period() const { return 60.0f / rate; }
    float ejection() const { return 0.413f - 0.0017f * rate; }
    float aortic_opening() const { return 0.131f - 0.0004f * rate; }
    float aortic_closure() const { return aortic_opening() + ejection(); }
    float mitral_opening() const { return aortic_closure() + relaxation; }
    float atrial_peak() const { return period() - 0.07f; } ///< of the A wave
    /// What relaxation and the E wave's rise may take together, so that E and A peak at least 170 ms apart.
    float room() const { return atrial_peak() - 0.170f - aortic_closure(); }
};

namespace detail {

/// One wave of a velocity curve.
struct velocity_wave {
    enum class form {
        ejection,      ///< sin(pi u^a), steepest first; parameter: the u of its peak
        regurgitation, ///< 1 - |2u - 1|^q; parameter: q
        filling,       ///< a quarter sine up, a straight line down; parameter: the u of its peak
        atrial,        ///< sin(pi u)^1.3
        half_time,     ///< 2^(-t / 2 PHT): the pressure gradient halves in PHT; parameter: PHT in seconds; 40 ms up, 40 ms down
    };
    form shape;
    float start, duration; // s
    float peak;            // m/s, with its sign
    float parameter;

    float operator()(float t) const {
        const float u = (t - start) / duration;
        if (!(u > 0.0f && u < 1.0f)) return 0.0f;
        constexpr float pi = std::numbers::pi_v<float>;
        switch (shape) {
        case form::ejection: return peak * std::sin(pi * std::pow(u, std::log(0.5f) / std::log(parameter)));
        case form::regurgitation: return peak * (1.0f - std::pow(std::abs(2.0f * u - 1.0f), parameter));
        case form::filling:
            return peak * (u < parameter ? std::sin(0.5f * pi * u / parameter) : (1.0f - u) / (1.0f - parameter));
        case form::atrial: return peak * std::pow(std::sin(pi * u), 1.3f);
        case form::half_time: {
            constexpr float edge = 0.040f;
            const float since = t - start, until = start + duration - t;
            const float fall = std::exp2(-std::max(0.0f, since - edge) / (2.0f * parameter));
            return peak * fall * std::min({1.0f, since / edge, until / edge});
        }
        }
        return 0.0f;
    }
};

} // namespace detail

/// The velocities of one patient over one beat: the envelope of the flow, and what else a continuous wave meets on its way.
class doppler_waveform {
public:
    using wave = detail::velocity_wave;

    /// A patient with this flow. The ranges and their sources: docs/design/simulator.md.
    static doppler_waveform draw(doppler_flow flow, const heart_cycle& heart, random_stream& random) {
        using form = wave::form;
        const auto between = [&](float low, float high) { return random.uniform(low, high); };
        doppler_waveform w{flow, heart.period()};
        const float closure = heart.aortic_closure(), opening = heart.mitral_opening();
        const auto eject = [&](float peak, float at) {
            w.waves_.push_back({form::ejection, heart.aortic_opening(), heart.ejection(), peak, at});
        };
        const auto fill = [&](std::vector<wave>& to, float early, float late) {
            const float rise = between(0.070f, std::min(0.100f, heart.room() - heart.relaxation)), fall = between(0.140f, 0.240f);
            const float width = between(0.120f, 0.150f);
            to.push_back({form::filling, opening, rise + fall, early, rise / (rise + fall)});
            to.push_back({form::atrial, heart.atrial_peak() - 0.5f * width, width, late, 0.0f});
        };
        switch (flow) {
        case doppler_flow::mitral_inflow: {
            const float early = between(0.40f, 1.30f);
            fill(w.waves_, early, std::clamp(early / between(0.6f, 2.0f), 0.30f, 1.00f));
            break;
        }
        case doppler_flow::lvot: eject(-between(0.70f, 1.30f), between(0.25f, 0.35f)); break;
        case doppler_flow::aortic_stenosis: { // the tighter, the later the peak
            static constexpr std::array<range, 3> peak{{{2.60f, 2.90f}, {3.00f, 3.99f}, {4.00f, 5.50f}}};
            static constexpr std::array<range, 3> at{{{0.30f, 0.36f}, {0.34f, 0.42f}, {0.40f, 0.48f}}};
            const std::size_t grade = random.below(3);
            eject(-peak[grade].draw(random), at[grade].draw(random));
            break;
        }
        case doppler_flow::mitral_regurgitation:
            w.waves_.push_back({form::regurgitation, 0.040f, opening - 0.040f, -between(4.0f, 6.0f), between(2.0f, 4.0f)});
            fill(w.companions_, between(0.6f, 1.3f), between(0.4f, 0.9f));
            break;
        case doppler_flow::tricuspid_regurgitation:
            w.waves_.push_back({form::regurgitation, 0.040f, opening - 0.040f, -between(2.0f, 4.5f), between(1.6f, 2.4f)});
            fill(w.companions_, between(0.35f, 0.60f), between(0.25f, 0.45f));
            break;
        case doppler_flow::aortic_regurgitation:
            w.waves_.push_back({form::half_time, closure, heart.period() + 0.040f - closure, between(3.5f, 5.0f), between(0.25f, 0.70f)});
            w.companions_.push_back({form::ejection, heart.aortic_opening(), heart.ejection(), -between(1.0f, 1.8f), 0.32f});
            break;
        case doppler_flow::mitral_stenosis: {
            const float peak = between(1.5f, 2.6f);
            w.waves_.push_back({form::half_time, opening, heart.period() + 0.020f - opening, peak, between(0.11f, 0.30f)});
            w.waves_.push_back({form::atrial, heart.atrial_peak() - 0.08f, 0.16f, peak * between(0.5f, 0.9f), 0.0f});
            break;
        }
        case doppler_flow::tissue: {
            eject(between(0.05f, 0.12f), 0.35f);
            const float early = between(0.04f, 0.18f);
            w.waves_.push_back({form::ejection, opening - 0.020f, between(0.150f, 0.190f), -early, 0.40f});
            const float late = std::clamp(early / between(0.5f, 2.0f), 0.04f, 0.13f);
            w.waves_.push_back({form::atrial, heart.atrial_peak() - 0.060f, 0.120f, -late, 0.0f});
            break;
        }
        }
        w.companion_power_ = std::pow(10.0f, -0.1f * between(6.0f, 14.0f));
        return w;
    }

    doppler_flow flow() const { return flow_; }
    float period() const { return period_; }

    /// The envelope at time t, m/s: where waves overlap, the faster one.
    float velocity(float t) const { return fastest(waves_, t); }

    /// Other flow in a continuous beam at time t, m/s, and its power relative to the flow that is looked for.
    float companion(float t) const { return fastest(companions_, t); }
    float companion_power() const { return companion_power_; }

    /// +1 or -1: to which side of the baseline the flow goes; for tissue that of the systolic wave.
    float direction() const { return waves_.front().peak > 0.0f ? 1.0f : -1.0f; }

    /// Largest velocity to one side of the baseline (+1 or -1), m/s, >= 0.
    float peak(float side) const {
        float most = 0.0f;
        for (const wave& w : waves_) most = std::max(most, side * w.peak);
        return most;
    }

    /// The two diastolic waves of mitral inflow (E, A) or of the mitral annulus (e', a'), m/s, > 0. Only of these two.
    bool has_early_and_late() const { return flow_ == doppler_flow::mitral_inflow || flow_ == doppler_flow::tissue; }
    float early() const { return std::abs(waves_[waves_.size() - 2].peak); }
    float late() const { return std::abs(waves_.back().peak); }

private:
    doppler_waveform(doppler_flow flow, float period) : flow_{flow}, period_{period} {}

    float fastest(const std::vector<wave>& waves, float t) const {
        t -= period_ * std::floor(t / period_);
        float result = 0.0f;
        for (const wave& w : waves)
            for (const float v : {w(t), w(t + period_)}) // a wave may go on into the next beat
                if (std::abs(v) > std::abs(result)) result = v;
        return result;
    }

    doppler_flow flow_;
    float period_;
    std::vector<wave> waves_, companions_;
    float companion_power_ = 0.0f;
};

} // namespace umsrep::sim
