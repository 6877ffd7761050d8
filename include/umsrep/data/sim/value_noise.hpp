// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <umsrep/core/random.hpp>

namespace umsrep::sim {

/// Smooth random texture in [-1, 1]: uniform values on a square lattice of pitch `cell`, blended with smoothstep weights. A plane
/// of its own for each stream; whatever the resolution of the image that samples it, the texture is the same.
class value_noise {
public:
    /// Covers [-reach, reach] in both directions; beyond it the border value goes on.
    value_noise(random_stream draw, float cell, float reach) : inverse_cell_{1.0f / cell}, reach_{reach} {
        side_ = static_cast<std::size_t>(std::ceil(2.0f * reach * inverse_cell_)) + 2;
        lattice_.resize(side_ * side_);
        for (float& value : lattice_) value = draw.uniform(-1.0f, 1.0f);
    }

    float operator()(float x, float y) const {
        const axis across = at(x), down = at(y);
        const float* row = lattice_.data() + down.cell * side_ + across.cell;
        const float upper = row[0] + (row[1] - row[0]) * across.weight;
        row += side_;
        const float lower = row[0] + (row[1] - row[0]) * across.weight;
        return upper + (lower - upper) * down.weight;
    }

private:
    struct axis {
        std::size_t cell;
        float weight;
    };

    axis at(float v) const {
        const float position = std::clamp((v + reach_) * inverse_cell_, 0.0f, static_cast<float>(side_) - 1.001f);
        const auto cell = static_cast<std::size_t>(position);
        const float u = position - static_cast<float>(cell);
        return {cell, u * u * (3.0f - 2.0f * u)};
    }

    float inverse_cell_, reach_;
    std::size_t side_ = 0;
    std::vector<float> lattice_;
};

/// Octaves of value noise, each of half the pitch and half the weight of the one before; in [-1, 1]. Octaves finer than `finest`
/// (the pixel) are left out: they could not be seen, and would alias.
class fractal_noise {
public:
    fractal_noise(seed s, std::string_view name, std::uint64_t index, float cell, int octaves, float reach, float finest) {
        float weight = 1.0f, total = 0.0f;
        for (int o = 0; o < octaves && (o == 0 || cell >= finest); ++o, cell *= 0.5f, weight *= 0.5f) {
            // an octave has a stream of its own, so that one left out does not change the others
            octaves_.push_back({value_noise{random_stream{seed{s.value + static_cast<std::uint64_t>(o)}, name, index}, cell, reach}, weight});
            total += weight;
        }
        for (octave& o : octaves_) o.weight /= total;
    }

    float operator()(float x, float y) const {
        float sum = 0.0f;
        for (const octave& o : octaves_) sum += o.weight * o.noise(x, y);
        return sum;
    }

private:
    struct octave {
        value_noise noise;
        float weight;
    };
    std::vector<octave> octaves_;
};

} // namespace umsrep::sim
