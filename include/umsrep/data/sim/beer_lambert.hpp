// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace umsrep::sim {

/// One line of the tube's spectrum: its share of the photons and the linear attenuation coefficients there, per cm.
struct spectral_line {
    float energy_kev, share, soft, lung, bone;
};

/// A chest spectrum in three lines. Mass attenuation coefficients of Hubbell and Seltzer, NISTIR 5632 (1995), tables of ICRU-44
/// soft tissue, lung and cortical bone, times 1.06, 0.26 and 1.92 g / cm^3.
inline constexpr std::array<spectral_line, 3> chest_spectrum{{
    {40.0f, 0.25f, 0.285f, 0.070f, 1.278f},
    {60.0f, 0.45f, 0.217f, 0.053f, 0.604f},
    {80.0f, 0.30f, 0.193f, 0.047f, 0.428f},
}};

/// Path lengths of one ray in cm; the rest of the way is air.
struct ray_path {
    float soft = 0, lung = 0, bone = 0;
};

/// Share of the photons that pass, Beer-Lambert over the spectrum: sum over lines of share exp(-sum of mu t). In (0, 1].
inline float transmission(const ray_path& path) {
    float sum = 0.0f;
    for (const spectral_line& line : chest_spectrum)
        sum += line.share * std::exp(-(line.soft * path.soft + line.lung * path.lung + line.bone * path.bone));
    return sum;
}

namespace detail {

/// Running mean over 2 r + 1 elements of one line (fewer at its ends), `step` apart in memory.
inline void box_line(const float* in, float* out, int count, std::ptrdiff_t step, int r) {
    double sum = 0.0;
    int inside = 0;
    for (int i = 0; i < std::min(r, count); ++i, ++inside) sum += static_cast<double>(in[i * step]);
    for (int i = 0; i < count; ++i) {
        if (i + r < count) {
            sum += static_cast<double>(in[(i + r) * step]);
            ++inside;
        }
        if (i - r > 0) {
            sum -= static_cast<double>(in[(i - r - 1) * step]);
            --inside;
        }
        out[i * step] = static_cast<float>(sum / inside);
    }
}

} // namespace detail

/// Scatter that a size x size map of primary photons brings with it: `ratio` (scatter to primary) times the primary smeared with a
/// tent of half-width 2 `radius` pixels. The unattenuated beam beside the patient scatters in nothing, so primary counts up to
/// `in_patient` only.
inline std::vector<float> scatter(std::span<const float> primary, int size, float ratio, int radius, float in_patient = 0.3f) {
    std::vector<float> a(primary.size()), b(primary.size());
    std::ranges::transform(primary, a.begin(), [&](float p) { return ratio * std::min(p, in_patient); });
    for (int pass = 0; pass < 2; ++pass) { // box twice = tent
        for (int y = 0; y < size; ++y) detail::box_line(a.data() + std::ptrdiff_t{y} * size, b.data() + std::ptrdiff_t{y} * size, size, 1, radius);
        for (int x = 0; x < size; ++x) detail::box_line(b.data() + x, a.data() + x, size, size, radius);
    }
    return a;
}

} // namespace umsrep::sim
