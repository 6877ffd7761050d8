// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <umsrep/core/random.hpp>
#include <umsrep/data/compute.hpp>
#include <umsrep/data/sample.hpp>

namespace umsrep::data {

/// Changes the grey values: v -> clamp((v^g - 1/2) c + 1/2 + b, 0, 1), with g, c, b drawn once per sample. Comes before noise, or
/// names the heads whose target images (the clean image of a denoising pair) change alongside.
struct random_intensity {
    static constexpr bool records = true;
    float brightness = 0.1f; ///< b from -brightness to brightness
    float contrast = 0.1f;   ///< c from 1 / (1 + contrast) to 1 + contrast
    float gamma = 0.1f;      ///< g from 1 / (1 + gamma) to 1 + gamma
    float probability = 1;
    std::vector<std::string> alongside = {};

    void operator()(sample& s, random_stream& random) const {
        if (random.uniform() >= probability) return;
        const float b = random.uniform(-brightness, brightness);
        const float c = std::exp(std::log1p(contrast) * random.uniform(-1, 1));
        const float g = std::exp(std::log1p(gamma) * random.uniform(-1, 1));
        const auto change = [&](tensor& pixels, pixel_changes& recorded) {
            if (recorded.grey || recorded.noise) compute(pixels, recorded);
            recorded.grey = grey_curve{.gamma = g, .contrast = c, .brightness = b};
            if (!s.records) compute(pixels, recorded);
        };
        change(s.image, s.changes);
        for (label& l : s.labels)
            if (std::ranges::find(alongside, l.head) != alongside.end()) change(l.value, l.changes);
    }
};

} // namespace umsrep::data
