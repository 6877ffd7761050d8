// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

#include <umsrep/core/random.hpp>
#include <umsrep/data/pixel_changes.hpp>
#include <umsrep/data/resample.hpp>
#include <umsrep/data/sample.hpp>

namespace umsrep::data {

/// Adds `deviation` n to every pixel, n standard normal from two numbers of the stream; `clamped`: to [0, 1].
inline void add_gaussian_noise(tensor& t, float deviation, bool clamped, random_stream& random) {
    for (std::size_t i = 0; i < t.size(); ++i) {
        float& v = t.data()[i];
        v += deviation * random.normal();
        if (clamped) v = std::clamp(v, 0.0f, 1.0f);
    }
}

/// Computes what is recorded of an image or a label, to the bits that its transforms give without recording.
inline void compute(tensor& pixels, pixel_changes& recorded) {
    pixel_changes c = std::exchange(recorded, {});
    if (c.map) pixels = warped(pixels, *c.map, c.how);
    if (c.grey) std::transform(pixels.data(), pixels.data() + pixels.size(), pixels.data(), *c.grey);
    if (c.noise) add_gaussian_noise(pixels, c.noise->deviation, c.noise->clamped, c.noise->random);
}

/// Computes what is recorded of a sample's pixels.
inline void compute(sample& s) {
    compute(s.image, s.changes);
    for (label& l : s.labels) compute(l.value, l.changes);
}

} // namespace umsrep::data
