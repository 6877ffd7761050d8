// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/dropout.cuh>

namespace umsrep::cuda::kernel {

enum class moving : u32 { stays, by_average, by_vote };

/// What happens to the pixels of one sample, in this order: they are moved, their grey values change, noise is added. It is what
/// umsrep::data::pixel_changes says, and computed as umsrep::data::compute does.
struct pixel_changes {
    double xx, xy, x0, yx, yy, y0; ///< where a pixel comes from, in pixels from the image's centre
    stream random;                 ///< whose numbers from `position` on are the noise, two a pixel
    u64 position;
    moving how;
    float gamma, contrast, brightness;
    float deviation;
    bool graded, noisy, clamped;
};

/// The normal number that the host's stream draws at a position.
UMSREP_DEVICE inline float normal_at(const stream& random, u64 position) {
    const four block = random.block(position / 4);
    const u32 place = static_cast<u32>(position % 4);
    const u32 first = block.at[place], second = place < 3 ? block.at[place + 1] : random.block(position / 4 + 1).at[0];
    const double u = (static_cast<double>(first) + 1.0) * 0x1p-32, v = static_cast<double>(second) * 0x1p-32;
    return static_cast<float>(::sqrt(-2.0 * ::log(u)) * ::cos(2.0 * 3.14159265358979323846 * v)); // Box and Muller
}

/// A batch of images or masks (N, C, H, W), each sample with its own changes, by `map`: a task is a pixel of a sample, in all channels. `to` must
/// not be `from`.
struct change_pixels {
    extents e;
    const pixel_changes* of_sample;
    const float* from;
    float* to;

    UMSREP_DEVICE long long count() const { return e.pixels(); }
    UMSREP_DEVICE void operator()(u32 task) const {
        const u32 plane = e.plane(), sample = task / plane, pixel = task % plane;
        const pixel_changes& how = of_sample[sample];
        const corners at(e, how, pixel);
        for (u32 c = 0; c < e.c; ++c) {
            const long long image = (static_cast<long long>(sample) * e.c + c) * plane;
            const float* const in = from + image;
            float v = how.how == moving::stays ? in[pixel] : how.how == moving::by_vote ? at.vote(in) : at.average(in);
            if (how.graded) v = clamp((::powf(largest(v, 0.0f), how.gamma) - 0.5f) * how.contrast + 0.5f + how.brightness);
            if (how.noisy) {
                const u64 number = static_cast<u64>(c) * plane + pixel;
                v += how.deviation * normal_at(how.random, how.position + 2 * number);
                if (how.clamped) v = clamp(v);
            }
            to[image + pixel] = v;
        }
    }

private:
    UMSREP_DEVICE static float clamp(float v) { return least(largest(v, 0.0f), 1.0f); }

    /// The four pixels around the place that a pixel comes from, and their weights. Beyond the border the border's pixels go on.
    struct corners {
        u32 place[4];
        float x, y; ///< from the first towards the others

        UMSREP_DEVICE corners(const extents& e, const pixel_changes& m, u32 pixel) {
            const double middle_x = 0.5 * (e.w - 1.0), middle_y = 0.5 * (e.h - 1.0);
            const double cx = pixel % e.w - middle_x, cy = pixel / e.w - middle_y;
            const double px = least(largest(m.xx * cx + m.xy * cy + m.x0 + middle_x, 0.0), e.w - 1.0);
            const double py = least(largest(m.yx * cx + m.yy * cy + m.y0 + middle_y, 0.0), e.h - 1.0);
            const u32 left = static_cast<u32>(px), top = static_cast<u32>(py);
            const u32 right = least(left + 1, e.w - 1), bottom = least(top + 1, e.h - 1);
            x = static_cast<float>(px - left);
            y = static_cast<float>(py - top);
            place[0] = top * e.w + left;
            place[1] = top * e.w + right;
            place[2] = bottom * e.w + left;
            place[3] = bottom * e.w + right;
        }
        UMSREP_DEVICE float average(const float* in) const {
            return (1 - y) * ((1 - x) * in[place[0]] + x * in[place[1]]) + y * ((1 - x) * in[place[2]] + x * in[place[3]]);
        }
        /// The value with the largest weight; of two as large, within rounding, the larger value.
        UMSREP_DEVICE float vote(const float* in) const {
            const float weight[4] = {(1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x};
            float value[4], votes[4];
            u32 known = 0;
            for (u32 i = 0; i < 4; ++i) {
                u32 k = 0;
                while (k < known && value[k] != in[place[i]]) ++k;
                if (k == known) {
                    value[known] = in[place[i]];
                    votes[known++] = 0;
                }
                votes[k] += weight[i];
            }
            constexpr float tie = 1e-5f;
            u32 best = 0;
            for (u32 k = 1; k < known; ++k)
                if (votes[k] > votes[best] + tie || (votes[k] > votes[best] - tie && value[k] > value[best])) best = k;
            return value[best];
        }
    };
};

} // namespace umsrep::cuda::kernel
