// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <numbers>

#include <umsrep/data/sim/doppler_flow.hpp>

namespace umsrep::sim {

/// How a Doppler spectrum is taken. Velocities in m/s, times in s.
struct doppler_beam {
    static constexpr float speed_of_sound = 1540.0f; // soft tissue, m/s

    doppler_mode mode = doppler_mode::pulsed;
    float frequency = 2.5e6f;   ///< Hz
    float window = 0.012f;      ///< of the spectral analysis
    float broadening = 0.04f;   ///< intrinsic spectral broadening, as a share of the velocity
    float lower_edge = 0.75f;   ///< slowest part of the flow inside a pulsed wave's gate, as a share of the envelope
    float wall_filter = 0.08f;  ///< cut-off; 0: none
    float clutter = 0.0f;       ///< power of slow tissue left at the baseline
    float span = 2.0f;          ///< velocities from the lowest to the highest row: of a pulsed wave, twice the Nyquist velocity

    /// Velocity above which a pulsed wave aliases: c PRF / (4 f0).
    float nyquist() const { return 0.5f * span; }
    float pulse_repetition_frequency() const { return 4.0f * frequency * nyquist() / speed_of_sound; }

    /// Standard deviation of the spectrum's edge: Hann window, intrinsic broadening, and how far the velocity moves in the window.
    float width(float velocity, float acceleration) const {
        // 1.44 bins: half-power width of the Hann window; Harris, Proc. IEEE 66, 1978, 51-83
        const float hann = speed_of_sound * (1.44f / window) / (2.0f * frequency) / 2.355f;
        const float share = broadening * velocity, moved = acceleration * window;
        return std::sqrt(hann * hann + share * share + moved * moved / 12.0f);
    }

    /// Power at velocity v of flow with this envelope and width, about 1 where it is strongest; not folded, not filtered.
    float flow_power(float v, float envelope, float width) const {
        if (mode == doppler_mode::tissue) return std::exp(-0.5f * square((v - 0.9f * envelope) / width));
        const float fastest = std::abs(envelope);
        if (fastest < 0.02f) return 0.0f;
        const float x = envelope > 0.0f ? v : -v;
        const float upper = normal_cdf((fastest - x) / width);
        if (upper == 0.0f) return 0.0f;
        if (mode == doppler_mode::pulsed) return upper * normal_cdf((x - lower_edge * fastest) / width);
        // a continuous beam meets all velocities below the envelope, most of its power near it
        return upper * normal_cdf(x / width) * (0.2f + 0.8f * std::pow(std::fmax(x, 0.0f) / fastest, 0.8f));
    }

    /// Flow as it is displayed: what is faster than the Nyquist velocity comes back at the other side.
    float folded_power(float v, float envelope, float width) const {
        const float power = flow_power(v, envelope, width);
        if (mode == doppler_mode::continuous) return power;
        return power + flow_power(v - span, envelope, width) + flow_power(v + span, envelope, width);
    }

    /// Whether the pixel at velocity v lies between the baseline and the envelope, folded like the image.
    bool inside(float v, float envelope) const {
        const auto between = [&](float u) { return envelope > 0.0f ? u > 0.0f && u < envelope : u < 0.0f && u > envelope; };
        return between(v) || (mode != doppler_mode::continuous && (between(v - span) || between(v + span)));
    }

    /// Share of the power that the wall filter (Butterworth, 6th order in power) lets pass.
    float wall_gain(float v) const {
        if (wall_filter == 0.0f) return 1.0f;
        const float ratio = square(v / wall_filter), cubed = ratio * ratio * ratio;
        return cubed / (1.0f + cubed);
    }

    float clutter_power(float v) const { return clutter == 0.0f ? 0.0f : clutter * std::exp(-0.5f * square(v / 0.03f)); }

private:
    static float square(float x) { return x * x; }

    static float normal_cdf(float z) {
        if (z > 5.0f) return 1.0f;
        if (z < -5.0f) return 0.0f;
        return 0.5f * std::erfc(-z * (1.0f / std::numbers::sqrt2_v<float>));
    }
};

} // namespace umsrep::sim
