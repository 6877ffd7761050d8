// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <string>

#include <umsrep/core/error.hpp>
#include <umsrep/core/random.hpp>
#include <umsrep/data/resample.hpp>
#include <umsrep/data/sample.hpp>

namespace umsrep::data {

/// Applies `change(tensor, resampling) -> tensor` to the image, and to its masks and image-shaped labels alike.
/// Throws shape_mismatch when such a label has not the height and width of its image.
template <class Change>
void move_pixels(sample& s, Change&& change) {
    const shape image = shape_of(s.image);
    for (const label& l : s.labels) {
        const shape target = shape_of(l.value);
        if (l.kind != label_kind::values && (target.h != image.h || target.w != image.w)) {
            throw shape_mismatch("sample '" + s.id + "': label of head '" + l.head + "'",
                                 "height and width of its image, " + to_string(image), to_string(target));
        }
    }
    s.image = change(s.image, resampling::average);
    for (label& l : s.labels) {
        if (l.kind != label_kind::values) {
            l.value = change(l.value, l.kind == label_kind::mask ? resampling::vote : resampling::average);
        }
    }
}

/// Stretches to height x width: area mean when shrinking, bilinear when growing; masks by the vote of the same weights.
struct resize {
    int height, width;

    void operator()(sample& s, random_stream&) const {
        move_pixels(s, [&](const tensor& t, resampling how) { return resized(t, height, width, how); });
    }
};

/// Mirrors with the given probabilities.
struct random_flip {
    float left_right = 0.5f, up_down = 0;

    void operator()(sample& s, random_stream& random) const {
        const bool mirror_x = random.uniform() < left_right, mirror_y = random.uniform() < up_down;
        if (!mirror_x && !mirror_y) return;
        move_pixels(s, [&](const tensor& from, resampling) {
            tensor to = from;
            const shape t = shape_of(to);
            for (int row = 0; mirror_x && row < t.c * t.h; ++row)
                std::reverse(to.data() + row * t.w, to.data() + (row + 1) * t.w);
            for (int c = 0; mirror_y && c < t.c; ++c) {
                float* plane = to.data() + c * t.plane();
                for (int y = 0; y < t.h / 2; ++y)
                    std::swap_ranges(plane + y * t.w, plane + (y + 1) * t.w, plane + (t.h - 1 - y) * t.w);
            }
            return to;
        });
    }
};

/// A small rotation, shift and scaling about the centre, in one resampling; what comes in from outside repeats the border.
struct random_affine {
    float rotation = 5;  ///< at most so many degrees either way
    float shift = 0.05f; ///< at most this part of height and width either way
    float scale = 0.05f; ///< by a factor from 1 / (1 + scale) to 1 + scale, both axes alike
    float probability = 1;

    void operator()(sample& s, random_stream& random) const {
        if (random.uniform() >= probability) return;
        const double angle = random.uniform(-rotation, rotation) * std::numbers::pi / 180;
        const double factor = std::exp(std::log1p(static_cast<double>(scale)) * random.uniform(-1, 1));
        const double dx = random.uniform(-shift, shift), dy = random.uniform(-shift, shift);
        const shape image = shape_of(s.image);
        const double cosine = std::cos(angle) / factor, sine = std::sin(angle) / factor;
        const affine_map map{cosine, sine, dx * image.w, -sine, cosine, dy * image.h};
        move_pixels(s, [&](const tensor& t, resampling how) { return warped(t, map, how); });
    }
};

} // namespace umsrep::data
