// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <numbers>
#include <span>
#include <vector>

#include <umsrep/core/random.hpp>

namespace umsrep::sim {

/// Multiplicative speckle of the rows of a spectrogram, column after column: the power |Z|^2 / 2 of circular complex normal
/// variates Z, averaged over `looks`. One look is exponential with mean 1, M looks are Gamma(M, 1/M); in decibels one look has a
/// standard deviation of 10 / ln 10 * pi / sqrt(6) = 5.57 dB. From column to column Z is autoregressive of first order:
/// Z' = rho Z + sqrt(1 - rho^2) W, so that powers correlate with rho^2.
class speckle {
public:
    speckle(std::size_t rows, int looks, float correlation, random_stream random)
        : random_{random}, keep_{correlation}, renew_{std::sqrt(1.0f - correlation * correlation)},
          looks_{static_cast<std::size_t>(looks)}, field_(rows * looks_), power_(rows) {
        for (phasor& z : field_) z = draw();
        sum();
    }

    /// Factors of the present column, one for each row.
    std::span<const float> power() const { return power_; }

    void advance() {
        for (phasor& z : field_) {
            const phasor w = draw();
            z = {keep_ * z.real + renew_ * w.real, keep_ * z.imaginary + renew_ * w.imaginary};
        }
        sum();
    }

private:
    struct phasor {
        float real, imaginary;
    };

    /// Box-Muller: both of its variates are used.
    phasor draw() {
        const float u = (static_cast<float>(random_() >> 8) + 1.0f) * 0x1p-24f;
        const float angle = 2.0f * std::numbers::pi_v<float> * random_.uniform();
        const float length = std::sqrt(-2.0f * std::log(u));
        return {length * std::cos(angle), length * std::sin(angle)};
    }

    void sum() {
        const float scale = 0.5f / static_cast<float>(looks_);
        for (std::size_t row = 0; row < power_.size(); ++row) {
            float total = 0.0f;
            for (std::size_t look = 0; look < looks_; ++look) {
                const phasor& z = field_[row * looks_ + look];
                total += z.real * z.real + z.imaginary * z.imaginary;
            }
            power_[row] = scale * total;
        }
    }

    random_stream random_;
    float keep_, renew_;
    std::size_t looks_;
    std::vector<phasor> field_;
    std::vector<float> power_;
};

} // namespace umsrep::sim
