// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <string>

#include <umsrep/core/error.hpp>
#include <umsrep/core/random.hpp>
#include <umsrep/data/compute.hpp>
#include <umsrep/data/resample.hpp>
#include <umsrep/data/sample.hpp>

namespace umsrep::data {

/// Calls f(pixels, what is recorded of them, how they are resampled) for what moves with a sample's image: the image, its masks and
/// image-shaped labels. Throws shape_mismatch when such a label has not the height and width of its image.
template <class F>
void for_each_moving(sample& s, F f) {
    const shape image = shape_of(s.image);
    for (const label& l : s.labels) {
        const shape target = shape_of(l.value);
        if (l.kind != label_kind::values && (target.h != image.h || target.w != image.w)) {
            throw shape_mismatch("sample '" + s.id + "': label of head '" + l.head + "'",
                                 "height and width of its image, " + to_string(image), to_string(target));
        }
    }
    f(s.image, s.changes, resampling::average);
    for (label& l : s.labels)
        if (l.kind != label_kind::values)
            f(l.value, l.changes, l.kind == label_kind::mask ? resampling::vote : resampling::average);
}

/// Applies `change(tensor, resampling) -> tensor` to all of them, now; what was recorded of them is computed before.
template <class Change>
void move_pixels(sample& s, Change&& change) {
    compute(s);
    for_each_moving(s, [&](tensor& pixels, pixel_changes&, resampling how) { pixels = change(pixels, how); });
}

/// Moves them by a map, or records it where the sample records: behind other changes these are computed first.
inline void move_by_map(sample& s, const affine_map& map) {
    if (!s.records) return move_pixels(s, [&](const tensor& t, resampling how) { return warped(t, map, how); });
    if (s.has_changes()) compute(s);
    for_each_moving(s, [&](tensor&, pixel_changes& c, resampling how) {
        c.map = map;
        c.how = how;
    });
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
    static constexpr bool records = true;
    float left_right = 0.5f, up_down = 0;

    void operator()(sample& s, random_stream& random) const {
        const bool mirror_x = random.uniform() < left_right, mirror_y = random.uniform() < up_down;
        if (!mirror_x && !mirror_y) return;
        for_each_moving(s, [&](tensor& pixels, pixel_changes& c, resampling) {
            if (c.noise) compute(pixels, c); // the mirror image of noise is not the noise of a mirror image
            if (c.map) c.map = c.map->mirrored(mirror_x, mirror_y);
            else mirror(pixels, mirror_x, mirror_y); // grey values do not mind; it costs as much as a copy
        });
    }

private:
    static void mirror(tensor& pixels, bool mirror_x, bool mirror_y) {
        const shape t = shape_of(pixels);
        for (int row = 0; mirror_x && row < t.c * t.h; ++row)
            std::reverse(pixels.data() + row * t.w, pixels.data() + (row + 1) * t.w);
        for (int c = 0; mirror_y && c < t.c; ++c) {
            float* plane = pixels.data() + c * t.plane();
            for (int y = 0; y < t.h / 2; ++y)
                std::swap_ranges(plane + y * t.w, plane + (y + 1) * t.w, plane + (t.h - 1 - y) * t.w);
        }
    }
};

/// A small rotation, shift and scaling about the centre, in one resampling; what comes in from outside repeats the border.
struct random_affine {
    static constexpr bool records = true;
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
        move_by_map(s, affine_map{cosine, sine, dx * image.w, -sine, cosine, dy * image.h});
    }
};

} // namespace umsrep::data
