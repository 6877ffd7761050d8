// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <umsrep/core/random.hpp>

namespace umsrep::sim {

namespace detail {

/// Digits of 3 columns and 5 rows; a row's three low bits are its pixels.
inline constexpr std::array<std::array<std::uint8_t, 5>, 10> small_digits{{
    {7, 5, 5, 5, 7}, {2, 6, 2, 2, 7}, {7, 1, 7, 4, 7}, {7, 1, 3, 1, 7}, {5, 5, 7, 1, 1},
    {7, 4, 7, 1, 7}, {7, 4, 7, 5, 7}, {7, 1, 2, 2, 2}, {7, 5, 7, 5, 7}, {7, 5, 7, 1, 7},
}};

/// An electrocardiogram at phase 0 to 1 of the beat (R at 0): Gaussian waves P, Q, R, S, T after McSharry et al., IEEE Trans.
/// Biomed. Eng. 50, 2003, 289-294, drawn directly instead of through its differential equation. Between about -0.3 and 1.
inline float electrocardiogram(float phase) {
    struct bump {
        float at, width, height;
    };
    static constexpr std::array<bump, 5> bumps{{
        {-0.17f, 0.025f, 0.15f}, {-0.04f, 0.010f, -0.12f}, {0.0f, 0.012f, 1.0f}, {0.04f, 0.010f, -0.25f}, {0.30f, 0.045f, 0.28f}}};
    float sum = 0.0f;
    for (const bump& b : bumps) {
        const float distance = phase - b.at - std::round(phase - b.at);
        sum += b.height * std::exp(-0.5f * distance * distance / (b.width * b.width));
    }
    return sum;
}

} // namespace detail

/// What a machine draws over a spectrogram, as a layer of brightness (0: nothing): an electrocardiogram in time with the heart, ticks
/// at the borders, numbers. Where, how large, how bright and whether at all is drawn at random, and the numbers mean nothing: a
/// layer tells the heart rate and nothing of the flow or of the quality. Neither is known here.
class doppler_overlay {
public:
    doppler_overlay(int height, int width)
        : height_{height}, width_{width}, layer_(static_cast<std::size_t>(height) * static_cast<std::size_t>(width)) {}

    /// `first_phase`: where in its beat the left edge lies, 0 to 1; `beats`: how many pass from edge to edge.
    void draw(float first_phase, float beats, random_stream& random) {
        if (random.uniform() < 0.7f) draw_electrocardiogram(first_phase, beats, random);
        for (const bool left : {true, false})
            if (random.uniform() < 0.5f) draw_ticks_beside(left, random);
        for (const bool top : {true, false})
            if (random.uniform() < 0.5f) draw_ticks_along(top, random);
        for (std::uint32_t numbers = random.below(5); numbers > 0; --numbers) draw_number(random);
    }

    const std::vector<float>& layer() const { return layer_; }

private:
    static float brightness(random_stream& random) { return random.uniform(0.5f, 1.0f); }

    void set(int row, int column, float value) {
        if (row < 0 || row >= height_ || column < 0 || column >= width_) return; // what passes the border is cut off
        float& pixel = layer_[static_cast<std::size_t>(row) * static_cast<std::size_t>(width_) + static_cast<std::size_t>(column)];
        pixel = std::max(pixel, value);
    }

    void draw_electrocardiogram(float first_phase, float beats, random_stream& random) {
        const float zero = random.uniform(0.06f, 0.98f), height = random.uniform(0.05f, 0.13f), bright = brightness(random);
        const auto row_at = [&](float column) {
            const float phase = first_phase + beats * column / static_cast<float>(width_);
            return static_cast<int>(std::floor((zero - height * detail::electrocardiogram(phase)) * static_cast<float>(height_)));
        };
        for (int column = 0; column < width_; ++column) {
            int lowest = height_, highest = 0; // the line passes all rows between those of the column's left and right end
            for (const float part : {0.0f, 0.25f, 0.5f, 0.75f, 1.0f}) {
                const int row = row_at(static_cast<float>(column) + part);
                lowest = std::min(lowest, row);
                highest = std::max(highest, row);
            }
            for (int row = lowest; row <= highest; ++row) set(row, column, bright);
        }
    }

    void draw_ticks_beside(bool left, random_stream& random) {
        const float step = random.uniform(0.06f, 0.20f) * static_cast<float>(height_), bright = brightness(random);
        const int length = std::max(1, static_cast<int>(random.uniform(0.01f, 0.04f) * static_cast<float>(width_)));
        for (float row = random.uniform() * step; row < static_cast<float>(height_); row += step)
            for (int i = 0; i < length; ++i) set(static_cast<int>(row), left ? i : width_ - 1 - i, bright);
    }

    void draw_ticks_along(bool top, random_stream& random) {
        const float step = random.uniform(0.04f, 0.20f) * static_cast<float>(width_), bright = brightness(random);
        const int length = std::max(1, static_cast<int>(random.uniform(0.01f, 0.04f) * static_cast<float>(height_)));
        for (float column = random.uniform() * step; column < static_cast<float>(width_); column += step)
            for (int i = 0; i < length; ++i) set(top ? i : height_ - 1 - i, static_cast<int>(column), bright);
    }

    void draw_number(random_stream& random) {
        const int scale = std::max(1, std::min(height_, width_) / 128), digits = 1 + static_cast<int>(random.below(4));
        const float bright = brightness(random);
        const int row = static_cast<int>(random.uniform(0.01f, 0.97f) * static_cast<float>(height_));
        const int column = static_cast<int>((random.uniform() < 0.5f ? random.uniform(0.01f, 0.12f) : random.uniform(0.80f, 0.97f)) *
                                            static_cast<float>(width_));
        for (int d = 0; d < digits; ++d) {
            const auto& glyph = detail::small_digits[random.below(10)];
            for (int y = 0; y < 5 * scale; ++y)
                for (int x = 0; x < 3 * scale; ++x)
                    if (glyph[static_cast<std::size_t>(y / scale)] >> (2 - x / scale) & 1) set(row + y, column + 4 * scale * d + x, bright);
        }
    }

    int height_, width_;
    std::vector<float> layer_;
};

} // namespace umsrep::sim
