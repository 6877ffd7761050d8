// SPDX-License-Identifier: MIT
#pragma once

// Written by cmake/embed_kernels.cmake from the .cuh files beside it.

#include <array>

namespace umsrep::cuda {

/// A file that NVRTC finds under the name by which the others include it.
struct kernel_source {
    const char *name, *text;
};

inline constexpr std::array<kernel_source, 25> kernel_sources{{
    {"umsrep/backend/cuda/kernel/activation.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/view.cuh>

namespace umsrep::cuda::kernel {

/// A function and what its slope makes of a gradient `d`; `kept` is the input, or the output where `keeps_output`.
struct relu {
    static constexpr bool keeps_output = true;
    UMSREP_DEVICE float operator()(float x) const { return x < 0 ? 0 : x; } // a NaN stays one
    UMSREP_DEVICE float slope(float d, float kept) const { return kept > 0 ? d : 0; }
};

struct leaky_relu {
    static constexpr bool keeps_output = true;
    float below; ///< the slope below 0, positive: the output has the input's sign
    UMSREP_DEVICE float operator()(float x) const { return x > 0 ? x : below * x; }
    UMSREP_DEVICE float slope(float d, float kept) const { return kept > 0 ? d : below * d; }
};

/// x Phi(x), Phi the distribution function of the standard normal. Source: Hendrycks, Gimpel, arXiv 1606.08415.
struct gelu {
    static constexpr bool keeps_output = false;
    UMSREP_DEVICE float operator()(float x) const { return x * phi(x); }
    UMSREP_DEVICE float slope(float d, float kept) const {
        const float density = 0.39894228f * ::expf(-0.5f * kept * kept);
        return d * (phi(kept) + kept * density);
    }
    UMSREP_DEVICE static float phi(float x) { return 0.5f * ::erfcf(-0.70710678f * x); }
};

struct sigmoid {
    static constexpr bool keeps_output = true;
    UMSREP_DEVICE float operator()(float x) const { return 1 / (1 + ::expf(-x)); }
    UMSREP_DEVICE float slope(float d, float kept) const { return d * kept * (1 - kept); }
};

/// x sigmoid(x). Source: Elfwing et al., arXiv 1702.03118.
struct silu {
    static constexpr bool keeps_output = false;
    UMSREP_DEVICE float operator()(float x) const { return x * sigmoid{}(x); }
    UMSREP_DEVICE float slope(float d, float kept) const {
        const float s = sigmoid{}(kept);
        return d * s * (1 + kept * (1 - s));
    }
};

/// out = f(in), n channels at a time, by `map`. In place where the two are one.
template <class F, class T, int n>
struct activate {
    F f;
    extents e;
    pixels<const T> in;
    pixels<T> out;

    UMSREP_DEVICE long long count() const { return e.size() / n; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 pixel = i / (e.c / n), channel = i % (e.c / n) * n;
        values<n> x = load<n>(in.at(pixel, channel));
        for (int k = 0; k < n; ++k) x.at[k] = f(x.at[k]);
        store(out.at(pixel, channel), x);
    }
};

/// grad_in = slope of f times grad_out, or added to it, by `map`. In place where grad_in is grad_out.
template <class F, class T, int n>
struct activate_backward {
    F f;
    extents e;
    pixels<const T> grad_out, kept;
    pixels<T> grad_in;
    bool accumulate;

    UMSREP_DEVICE long long count() const { return e.size() / n; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 pixel = i / (e.c / n), channel = i % (e.c / n) * n;
        values<n> d = load<n>(grad_out.at(pixel, channel));
        const values<n> x = load<n>(kept.at(pixel, channel));
        for (int k = 0; k < n; ++k) d.at[k] = f.slope(d.at[k], x.at[k]);
        store(grad_in.at(pixel, channel), d, accumulate);
    }
};

} // namespace umsrep::cuda::kernel
)cuda"},
    {"umsrep/backend/cuda/kernel/base.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

// The kernels' sources are read by three compilers: NVRTC, which has no headers at all, nvcc in a user's .cu file, and the host's, which
// fills the same structures in and tests them. So they name no standard type.

#if !defined(__CUDACC_RTC__)
#include <math.h>
#endif

#if defined(__CUDACC__)
#define UMSREP_DEVICE __host__ __device__
#else
#define UMSREP_DEVICE
#endif

namespace umsrep::cuda::kernel {

using u32 = unsigned int;
using u64 = unsigned long long;

template <class T>
UMSREP_DEVICE constexpr T least(T a, T b) {
    return b < a ? b : a;
}
template <class T>
UMSREP_DEVICE constexpr T largest(T a, T b) {
    return a < b ? b : a;
}

/// How many pieces of `length` cover `size`.
UMSREP_DEVICE constexpr long long pieces(long long size, long long length) { return (size + length - 1) / length; }

} // namespace umsrep::cuda::kernel
)cuda"},
    {"umsrep/backend/cuda/kernel/batch_norm.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/normalization.cuh>
#include <umsrep/backend/cuda/kernel/reduce.cuh>

/// Batch normalisation of any number of channels (cuDNN's takes multiples of eight), and norms by constant statistics. Forward by the
/// batch: channel_sums, channel_moments, normalize; by constants: constant_moments, normalize. Backward: norm_sums, norm_gradients,
/// normalize_backward or scale_gradient. Source: Ioffe, Szegedy, "Batch Normalization", ICML 2015.
namespace umsrep::cuda::kernel {

/// Two sums in double of each piece and channel.
struct sum_pair {
    double first, second;
    UMSREP_DEVICE void merge(const sum_pair& other) {
        first += other.first;
        second += other.second;
    }
};

/// Sums of x and of x^2 over the pixels of each piece, (piece, channel), by `reduce`.
template <class T>
struct channel_sums {
    extents e;
    two_steps step; ///< cut(e.pixels(), ...)
    pixels<const T> in;
    sum_pair* to;

    using sums = sum_pair;
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return static_cast<long long>(step.count) * e.c; }
    UMSREP_DEVICE u32 length() const { return step.length; }
    UMSREP_DEVICE u32 neighbours() const { return e.c; }
    UMSREP_DEVICE void add(sums& s, u32 output, u32 term) const {
        const long long pixel = static_cast<long long>(output / e.c) * step.length + term;
        if (pixel >= e.pixels()) return;
        const double x = static_cast<double>(to_float(*in.at(pixel, output % e.c)));
        s.first += x;
        s.second += x * x; // in double the difference of squares loses nothing that float had
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.merge(from); }
    UMSREP_DEVICE void finish(u32 output, const sums& all) const { to[output] = all; }
};

/// The moments of each channel from the pieces, by `reduce`; moves the running statistics (the variance as the unbiased one).
struct channel_moments {
    u32 channels, count; ///< count: of pieces
    const sum_pair* from;
    double values;       ///< of each channel: pixels of all samples, more than one
    float epsilon, momentum;
    moments* kept;
    float *running_mean, *running_var; ///< or null

    using sums = sum_pair;
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return channels; }
    UMSREP_DEVICE u32 length() const { return count; }
    UMSREP_DEVICE u32 neighbours() const { return channels; }
    UMSREP_DEVICE void add(sums& s, u32 channel, u32 piece) const { s.merge(from[static_cast<long long>(piece) * channels + channel]); }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.merge(from); }
    UMSREP_DEVICE void finish(u32 channel, const sums& all) const {
        const double mean = all.first / values, variance = largest(all.second / values - mean * mean, 0.0);
        kept[channel] = {static_cast<float>(mean), static_cast<float>(1 / ::sqrt(variance + static_cast<double>(epsilon)))};
        if (running_mean != nullptr) move(running_mean[channel], mean);
        if (running_var != nullptr) move(running_var[channel], variance * values / (values - 1));
    }

private:
    UMSREP_DEVICE void move(float& running, double value) const {
        const double m = static_cast<double>(momentum);
        running = static_cast<float>((1 - m) * static_cast<double>(running) + m * value);
    }
};

/// The moments that constant statistics are, by `map`.
struct constant_moments {
    u32 channels;
    const float *mean, *variance;
    float epsilon;
    moments* to;

    UMSREP_DEVICE long long count() const { return channels; }
    UMSREP_DEVICE void operator()(u32 c) const { to[c] = {mean[c], 1 / ::sqrtf(variance[c] + epsilon)}; }
};

/// out = (in - mean) rstd weight + bias, plus a skip connection, through a ReLU, n channels at a time, by `map`.
template <class T, int n>
struct normalize {
    extents e;
    pixels<const T> in;
    const moments* kept;        ///< one per channel
    const float *weight, *bias; ///< or null
    pixels<const T> skip;       ///< data null: none
    bool rectify;
    pixels<T> out;

    UMSREP_DEVICE long long count() const { return e.size() / n; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 pixel = i / (e.c / n), channel = i % (e.c / n) * n;
        values<n> x = load<n>(in.at(pixel, channel)), other = {};
        if (skip.data != nullptr) other = load<n>(skip.at(pixel, channel));
        for (u32 k = 0; k < n; ++k) {
            const moments m = kept[channel + k];
            const float scale = weight != nullptr ? m.rstd * weight[channel + k] : m.rstd;
            const float y = (x.at[k] - m.mean) * scale + (bias != nullptr ? bias[channel + k] : 0) + other.at[k];
            x.at[k] = rectify && y < 0 ? 0 : y;
        }
        store(out.at(pixel, channel), x);
    }
};

/// Sums of dy and of dy (in - mean) rstd over the pixels of each piece, (piece, channel), by `reduce`. Behind a ReLU dy counts where `out`
/// is positive.
template <class T>
struct norm_sums {
    extents e;
    two_steps step; ///< cut(e.pixels(), ...)
    pixels<const T> in, grad_out;
    pixels<const T> out; ///< of the ReLU; data null: there is none
    const moments* kept;
    sum_pair* to;

    using sums = sum_pair;
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return static_cast<long long>(step.count) * e.c; }
    UMSREP_DEVICE u32 length() const { return step.length; }
    UMSREP_DEVICE u32 neighbours() const { return e.c; }
    UMSREP_DEVICE void add(sums& s, u32 output, u32 term) const {
        const long long pixel = static_cast<long long>(output / e.c) * step.length + term;
        const u32 c = output % e.c;
        if (pixel >= e.pixels() || (out.data != nullptr && !(to_float(*out.at(pixel, c)) > 0))) return;
        const moments m = kept[c];
        const double d = static_cast<double>(to_float(*grad_out.at(pixel, c)));
        s.first += d;
        s.second += d * static_cast<double>((to_float(*in.at(pixel, c)) - m.mean) * m.rstd);
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.merge(from); }
    UMSREP_DEVICE void finish(u32 output, const sums& all) const { to[output] = all; }
};

/// The parameters' gradients, and what the input's needs, from the pieces, by `reduce`.
struct norm_gradients {
    u32 channels, count; ///< count: of pieces
    const sum_pair* from;
    double values;       ///< of each channel; 0: the statistics are constants
    float *grad_weight, *grad_bias; ///< or null
    norm_means* means;

    using sums = sum_pair;
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return channels; }
    UMSREP_DEVICE u32 length() const { return count; }
    UMSREP_DEVICE u32 neighbours() const { return channels; }
    UMSREP_DEVICE void add(sums& s, u32 channel, u32 piece) const { s.merge(from[static_cast<long long>(piece) * channels + channel]); }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.merge(from); }
    UMSREP_DEVICE void finish(u32 channel, const sums& all) const {
        if (grad_bias != nullptr) grad_bias[channel] = static_cast<float>(all.first);
        if (grad_weight != nullptr) grad_weight[channel] = static_cast<float>(all.second);
        const double share = values > 0 ? 1 / values : 0;
        means[channel] = {static_cast<float>(share * all.first), static_cast<float>(share * all.second)};
    }
};

/// grad_in = weight rstd (dy - plain - (in - mean) rstd slope), n channels at a time, by `map`.
template <class T, int n>
struct normalize_backward {
    extents e;
    const float* weight; ///< or null
    pixels<const T> in, grad_out;
    pixels<const T> out; ///< of the ReLU; data null: there is none
    const moments* kept;
    const norm_means* means;
    pixels<T> grad_in;
    bool accumulate;

    UMSREP_DEVICE long long count() const { return e.size() / n; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 pixel = i / (e.c / n), channel = i % (e.c / n) * n;
        const values<n> x = load<n>(in.at(pixel, channel));
        values<n> d = load<n>(grad_out.at(pixel, channel));
        if (out.data != nullptr) {
            const values<n> y = load<n>(out.at(pixel, channel));
            for (int k = 0; k < n; ++k) d.at[k] = y.at[k] > 0 ? d.at[k] : 0;
        }
        for (u32 k = 0; k < n; ++k) {
            const moments m = kept[channel + k];
            const norm_means mean = means[channel + k];
            const float scale = weight != nullptr ? m.rstd * weight[channel + k] : m.rstd;
            d.at[k] = scale * (d.at[k] - mean.plain - (x.at[k] - m.mean) * m.rstd * mean.slope);
        }
        store(grad_in.at(pixel, channel), d, accumulate);
    }
};

/// The same where the statistics are constants, which leaves grad_in = weight rstd dy, and the input is not read: it may be gone.
template <class T, int n>
struct scale_gradient {
    extents e;
    const float* weight; ///< or null
    pixels<const T> grad_out;
    const moments* kept;
    pixels<T> grad_in;
    bool accumulate;

    UMSREP_DEVICE long long count() const { return e.size() / n; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 pixel = i / (e.c / n), channel = i % (e.c / n) * n;
        values<n> d = load<n>(grad_out.at(pixel, channel));
        for (u32 k = 0; k < n; ++k) d.at[k] *= weight != nullptr ? kept[channel + k].rstd * weight[channel + k] : kept[channel + k].rstd;
        store(grad_in.at(pixel, channel), d, accumulate);
    }
};

} // namespace umsrep::cuda::kernel
)cuda"},
    {"umsrep/backend/cuda/kernel/change_pixels.cuh", R"cuda(// SPDX-License-Identifier: MIT
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
)cuda"},
    {"umsrep/backend/cuda/kernel/class_loss.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/loss.cuh>
#include <umsrep/backend/cuda/kernel/softmax.cuh>

/// Losses of softmax(logits) with one label per pixel (or per sample of one pixel): label_weights, share_of_labels, the loss itself,
/// which leaves a value per pixel, sum_values, loss_total.
namespace umsrep::cuda::kernel {

/// The targets (N, 1, H, W), which classes they may name, and what each weighs.
struct labels {
    const float* target;
    presence present;
    u32 classes;
    int ignore;
    const float* class_weights; ///< null: 1

    UMSREP_DEVICE bool accepts(float value) const {
        return value == static_cast<float>(ignore) || (value >= 0 && value < static_cast<float>(classes) && value == ::floorf(value));
    }
    /// The class of a pixel, -1 where none counts.
    UMSREP_DEVICE int at(const extents& e, u32 pixel) const {
        if (!present[pixel / e.plane()]) return -1;
        const float value = target[pixel];
        return accepts(value) && value != static_cast<float>(ignore) ? static_cast<int>(value) : -1;
    }
    UMSREP_DEVICE float weight(u32 c) const { return class_weights != nullptr ? class_weights[c] : 1; }
};

/// The sums of the labels' weights, and how many labels were refused, of each piece, by `reduce`.
struct label_weights {
    labels label;
    extents e;
    two_steps step; ///< cut(e.pixels(), ...)
    loss_sum* to;

    using sums = loss_sum;
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return step.count; }
    UMSREP_DEVICE u32 length() const { return step.length; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32 piece, u32 term) const {
        const long long i = static_cast<long long>(piece) * step.length + term;
        if (i >= e.pixels()) return;
        const u32 pixel = static_cast<u32>(i);
        if (const int y = label.at(e, pixel); y >= 0) s.value += static_cast<double>(label.weight(static_cast<u32>(y)));
        else if (label.present[pixel / e.plane()] && !label.accepts(label.target[pixel])) ++s.refused;
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.merge(from); }
    UMSREP_DEVICE void finish(u32 piece, const sums& all) const { to[piece] = all; }
};

/// 1 / sum of the labels' weights from the pieces, by `reduce`.
struct share_of_labels {
    u32 count; ///< of pieces
    const loss_sum* from;
    gradient_factors factors;
    loss_share* to;

    using sums = loss_sum;
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return 1; }
    UMSREP_DEVICE u32 length() const { return count; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32, u32 i) const { s.merge(from[i]); }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.merge(from); }
    UMSREP_DEVICE void finish(u32, const sums& all) const {
        const double share = all.value > 0 ? 1 / all.value : 0;
        *to = {share, static_cast<float>(share * static_cast<double>(factors())), all.refused};
    }
};

/// The values of pixels, added over pieces, by `reduce`.
struct sum_values {
    long long size;
    two_steps step; ///< cut(size, ...)
    const float* from;
    loss_sum* to;

    using sums = loss_sum;
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return step.count; }
    UMSREP_DEVICE u32 length() const { return step.length; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32 piece, u32 term) const {
        const long long i = static_cast<long long>(piece) * step.length + term;
        if (i < size) s.value += static_cast<double>(from[i]);
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.merge(from); }
    UMSREP_DEVICE void finish(u32 piece, const sums& all) const { to[piece] = all; }
};

/// Cross-entropy with label smoothing (Szegedy et al., CVPR 2016) at each pixel, and its gradient, by `reduce`:
///   hard w_y -log p_y + soft sum of w_c -log p_c.
template <class T>
struct cross_entropy {
    labels label;
    float hard, soft, all_weights; ///< 1 - smoothing; smoothing / classes; sum of the classes' weights
    extents e;
    pixels<const T> logits;
    const loss_share* share;
    float* values;      ///< one per pixel
    pixels<T> gradient; ///< data null: not wanted; other memory than `logits`

    struct sums {
        exp_sum all;
        double weighted; ///< sum of w_c x_c
    };
    static constexpr bool applies = true;
    UMSREP_DEVICE long long outputs() const { return e.pixels(); }
    UMSREP_DEVICE u32 length() const { return e.c; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32 pixel, u32 c) const {
        const float x = to_float(*logits.at(pixel, c));
        s.all.add(x);
        if (soft > 0) s.weighted += static_cast<double>(label.weight(c)) * static_cast<double>(x);
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) {
        to.all.merge(from.all);
        to.weighted += from.weighted;
    }
    UMSREP_DEVICE void finish(u32 pixel, const sums& s) const {
        values[pixel] = 0;
        const int y = label.at(e, pixel);
        if (y < 0) return;
        const double log_sum = static_cast<double>(::logf(s.all.total)), top = static_cast<double>(s.all.largest);
        const double of_label = log_sum + (top - static_cast<double>(to_float(*logits.at(pixel, static_cast<u32>(y)))));
        double value = static_cast<double>(hard * label.weight(static_cast<u32>(y))) * of_label;
        if (soft > 0) value += static_cast<double>(soft) * (static_cast<double>(all_weights) * (top + log_sum) - s.weighted);
        values[pixel] = static_cast<float>(value);
    }
    UMSREP_DEVICE void apply(u32 pixel, u32 c, const sums& s) const {
        if (gradient.data == nullptr) return;
        const int y = label.at(e, pixel);
        float slope = 0;
        if (y >= 0) {
            const float hard_weight = hard * label.weight(static_cast<u32>(y)), mass = hard_weight + soft * all_weights;
            const float p = ::expf(to_float(*logits.at(pixel, c)) - s.all.largest) / s.all.total;
            slope = mass * p - (static_cast<u32>(y) == c ? hard_weight : 0) - soft * label.weight(c);
        }
        *gradient.at(pixel, c) = number<T>::from(share->step * slope);
    }
};

/// Focal loss over softmax at each pixel, w_y (1 - p_y)^gamma -log p_y, and its gradient, by `reduce`. Its share is over the number of
/// labels: label_weights without weights. Source: Lin et al., ICCV 2017, eq. 5, with the class's weight as alpha.
template <class T>
struct focal_cross_entropy {
    labels label;
    float gamma;
    extents e;
    pixels<const T> logits;
    const loss_share* share;
    float* values;
    pixels<T> gradient; ///< data null: not wanted; other memory than `logits`

    struct sums {
        exp_sum all, others; ///< others: without the label's class, so that 1 - p_y is a sum and no difference
    };
    static constexpr bool applies = true;
    UMSREP_DEVICE long long outputs() const { return e.pixels(); }
    UMSREP_DEVICE u32 length() const { return e.c; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32 pixel, u32 c) const {
        const float x = to_float(*logits.at(pixel, c));
        s.all.add(x);
        if (static_cast<int>(c) != label.at(e, pixel)) s.others.add(x);
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) {
        to.all.merge(from.all);
        to.others.merge(from.others);
    }
    UMSREP_DEVICE void finish(u32 pixel, const sums& s) const {
        const int y = label.at(e, pixel);
        values[pixel] = y < 0 ? 0 : label.weight(static_cast<u32>(y)) * ::powf(counted_miss(s), gamma) * -log_p(pixel, static_cast<u32>(y), s);
    }
    UMSREP_DEVICE void apply(u32 pixel, u32 c, const sums& s) const {
        if (gradient.data == nullptr) return;
        const int label_class = label.at(e, pixel);
        float slope = 0;
        if (label_class >= 0) {
            const u32 y = static_cast<u32>(label_class);
            const float log_py = log_p(pixel, y, s);
            const float sharpen = gamma * ::powf(counted_miss(s), gamma - 1) * ::expf(log_py) * log_py;
            // d value / d x_c = slope * (p_c - [c = y])
            slope = label.weight(y) * (::powf(counted_miss(s), gamma) - sharpen) * (c == y ? -miss(s) : ::expf(log_p(pixel, c, s)));
        }
        *gradient.at(pixel, c) = number<T>::from(share->step * slope);
    }

private:
    UMSREP_DEVICE float log_p(u32 pixel, u32 c, const sums& s) const {
        return (to_float(*logits.at(pixel, c)) - s.all.largest) - ::logf(s.all.total);
    }
    UMSREP_DEVICE static float miss(const sums& s) {
        return s.others.total == 0 ? 0 : s.others.total * ::expf(s.others.largest - s.all.largest) / s.all.total;
    }
    UMSREP_DEVICE static float counted_miss(const sums& s) { return largest(miss(s), least_miss); }
};

} // namespace umsrep::cuda::kernel
)cuda"},
    {"umsrep/backend/cuda/kernel/copy.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/view.cuh>

namespace umsrep::cuda::kernel {

/// Channels from one image to another, n at a time, by `map`: slices of wider tensors on either side, another type, added or written.
template <class From, class To, int n>
struct copy {
    extents e; ///< of what is copied
    pixels<const From> from;
    pixels<To> to;
    bool accumulate;

    UMSREP_DEVICE long long count() const { return e.size() / n; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 pixel = i / (e.c / n), channel = i % (e.c / n) * n;
        store(to.at(pixel, channel), load<n>(from.at(pixel, channel)), accumulate);
    }
};

/// N, C, H, W to pixels, n channels of `stored_channels` at a time, by `map`; the channels beyond e.c become zero.
template <class From, class To, int n>
struct from_planes {
    extents e;
    u32 stored_channels; ///< a multiple of n
    const From* from;
    pixels<To> to;

    UMSREP_DEVICE long long count() const { return e.pixels() * (stored_channels / n); }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 packs = stored_channels / n, pixel = i / packs, first = i % packs * n;
        const u32 plane = e.plane(), sample = pixel / plane;
        values<n> x = {};
        for (u32 k = 0; k < n && first + k < e.c; ++k)
            x.at[k] = to_float(from[(static_cast<long long>(sample) * e.c + first + k) * plane + pixel % plane]);
        store(to.at(pixel, first), x);
    }
};

/// Pixels to N, C, H, W, by `map`.
template <class From, class To>
struct to_planes {
    extents e;
    pixels<const From> from;
    To* to;

    UMSREP_DEVICE long long count() const { return e.size(); }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 plane = e.plane(), image = i / plane; // of all channels of all samples
        const long long pixel = static_cast<long long>(image / e.c) * plane + i % plane;
        to[i] = number<To>::from(to_float(*from.at(pixel, image % e.c)));
    }
};

/// Memory as it is, 16 bytes at a time, by `map`.
struct copy_memory {
    struct alignas(16) block {
        u32 word[4];
    };
    u32 blocks;
    const block* from;
    block* to;

    UMSREP_DEVICE long long count() const { return blocks; }
    UMSREP_DEVICE void operator()(u32 i) const { to[i] = from[i]; }
};

} // namespace umsrep::cuda::kernel
)cuda"},
    {"umsrep/backend/cuda/kernel/dropout.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/view.cuh>

namespace umsrep::cuda::kernel {

struct four {
    u32 at[4];
};

/// Philox4x32-10, the same bits as umsrep::philox. Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
UMSREP_DEVICE inline four philox(four counter, u32 key0, u32 key1) {
    for (int round = 0; round < 10; ++round) {
        const u64 a = static_cast<u64>(0xD2511F53u) * counter.at[0], b = static_cast<u64>(0xCD9E8D57u) * counter.at[2];
        counter = {{static_cast<u32>(b >> 32) ^ counter.at[1] ^ key0, static_cast<u32>(b), static_cast<u32>(a >> 32) ^ counter.at[3] ^ key1,
                    static_cast<u32>(a)}};
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return counter;
}

/// A umsrep::random_stream: what (seed, name, index) make of a key.
struct stream {
    u32 key[2], tag[2];

    UMSREP_DEVICE static stream of(u64 seed, u64 name_hash, u64 index) {
        const four k = philox({{low(seed), high(seed), low(name_hash), high(name_hash)}}, low(index), high(index));
        return {{k.at[0], k.at[1]}, {k.at[2], k.at[3]}};
    }
    UMSREP_DEVICE four block(u64 number) const { return philox({{low(number), high(number), tag[0], tag[1]}}, key[0], key[1]); }

private:
    UMSREP_DEVICE static u32 low(u64 x) { return static_cast<u32>(x); }
    UMSREP_DEVICE static u32 high(u64 x) { return static_cast<u32>(x >> 32); }
};

/// The streams of a step's nodes, number `*step * nodes + node` each, by `map`: once a step, so that a captured graph draws anew.
struct make_streams {
    u64 seed, name_hash;
    const u64* step;
    u32 nodes;
    stream* to;

    UMSREP_DEVICE long long count() const { return nodes; }
    UMSREP_DEVICE void operator()(u32 node) const { to[node] = stream::of(seed, name_hash, *step * nodes + node); }
};

/// out = in times 0 or `keep`, by `map`; with the gradients in their place it is its own backward pass. Element i of the batch, counted
/// as N, C, H, W, falls where number i of the stream is below `threshold`: the elements that the CPU drops. A task takes the four that a
/// block of the stream decides; tasks next to each other take channels next to each other where planes are multiples of four.
template <class T>
struct dropout {
    extents e;
    u64 threshold; ///< probability 2^32
    float keep;    ///< 1 / (1 - probability)
    const stream* random;
    pixels<const T> in;
    pixels<T> out;
    bool accumulate;

    UMSREP_DEVICE long long count() const { return pieces(e.size(), 4); }
    UMSREP_DEVICE void operator()(u32 task) const {
        const u32 plane = e.plane(), blocks = plane / 4; // of a plane
        u64 number = task;
        if (plane % 4 == 0) {
            const u32 channel = task % e.c, rest = task / e.c;
            number = (static_cast<u64>(rest / blocks) * e.c + channel) * blocks + rest % blocks;
        }
        const four numbers = random->block(number);
        for (u32 k = 0; k < 4; ++k) {
            const u64 i = 4 * number + k, image = i / plane;
            if (i >= static_cast<u64>(e.size())) return;
            const long long pixel = static_cast<long long>(image / e.c * plane + i % plane);
            const u32 channel = static_cast<u32>(image % e.c);
            values<1> x = load<1>(in.at(pixel, channel));
            x.at[0] = numbers.at[k] >= threshold ? keep * x.at[0] : 0;
            store(out.at(pixel, channel), x, accumulate);
        }
    }
};

} // namespace umsrep::cuda::kernel
)cuda"},
    {"umsrep/backend/cuda/kernel/element_loss.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/loss.cuh>

namespace umsrep::cuda::kernel {

/// A loss and its derivative at one element.
struct point {
    float value, slope;
};

struct l1_loss {
    UMSREP_DEVICE static bool accepts(float target) { return is_finite(target); }
    UMSREP_DEVICE point operator()(float x, float t, u32) const {
        const float d = x - t;
        return {::fabsf(d), d > 0 ? 1.0f : d < 0 ? -1.0f : d - d}; // 0 at 0; a NaN stays one
    }
};

struct l2_loss {
    UMSREP_DEVICE static bool accepts(float target) { return is_finite(target); }
    UMSREP_DEVICE point operator()(float x, float t, u32) const { return {(x - t) * (x - t), 2 * (x - t)}; }
};

/// sqrt(d^2 + epsilon^2). Source: Charbonnier et al., ICIP 1994.
struct charbonnier_loss {
    float epsilon;
    UMSREP_DEVICE static bool accepts(float target) { return is_finite(target); }
    UMSREP_DEVICE point operator()(float x, float t, u32) const {
        const float d = x - t, root = ::sqrtf(d * d + epsilon * epsilon);
        return {root, d / root};
    }
};

/// The logistic function and its logarithm without overflow or cancellation, from one exp.
struct logistic {
    float e;       ///< exp(-|x|)
    float yes, no; ///< sigmoid(x) and sigmoid(-x)

    UMSREP_DEVICE explicit logistic(float x) : e(::expf(-::fabsf(x))), yes((x > 0 ? 1 : e) / (1 + e)), no((x > 0 ? e : 1) / (1 + e)) {}
    /// log(1 + exp(-x))
    UMSREP_DEVICE float softplus_of_negative(float x) const { return (x < 0 ? -x : 0) + ::log1pf(e); }
};

/// Binary cross-entropy of logits, (1 - t) x + (1 + (w - 1) t) log(1 + exp(-x)); w weighs the positives of each channel.
struct bce_loss {
    const float* pos_weight; ///< one per channel; null: 1
    UMSREP_DEVICE static bool accepts(float target) { return is_probability(target); }
    UMSREP_DEVICE point operator()(float x, float t, u32 channel) const {
        const logistic at(x);
        const float positive = pos_weight != nullptr ? 1 + (pos_weight[channel] - 1) * t : 1;
        return {(1 - t) * x + positive * at.softplus_of_negative(x), (1 - t) - positive * at.no};
    }
};

/// -alpha_t (1 - p_t)^gamma log(p_t) of logits. Source: Lin et al., "Focal loss for dense object detection", ICCV 2017, eq. 5.
struct focal_loss {
    float gamma, positive, negative; ///< weights: alpha and 1 - alpha, or 1 and 1
    UMSREP_DEVICE static bool accepts(float target) { return is_probability(target); }
    UMSREP_DEVICE point operator()(float x, float t, u32) const {
        const logistic at(x);
        const float alpha_t = positive * t + negative * (1 - t);
        const float entropy = (1 - t) * x + at.softplus_of_negative(x);
        const float miss = largest(at.yes * (1 - t) + at.no * t, least_miss); // 1 - p_t without cancellation
        const float focus = ::powf(miss, gamma);
        // d miss / d x = (1 - 2 t) yes no
        const float sharpen = gamma * ::powf(miss, gamma - 1) * (1 - 2 * t) * at.yes * at.no * entropy;
        return {alpha_t * focus * entropy, alpha_t * (focus * (at.yes * (1 - t) - at.no * t) + sharpen)};
    }
};

/// A loss that is a mean over the elements of the samples that have a label, by `reduce`: the sums of its pieces, and the gradient.
/// share_of_present goes before it, with each = channels times pixels, loss_total comes after.
template <class F, class T>
struct element_loss {
    F f;
    extents e;
    two_steps step; ///< cut(e.size(), ...)
    pixels<const T> logits;
    const float* target;
    presence present;
    const loss_share* share;
    pixels<T> gradient; ///< data null: not wanted
    loss_sum* to;       ///< step.count

    using sums = loss_sum;
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return step.count; }
    UMSREP_DEVICE u32 length() const { return step.length; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32 piece, u32 term) const {
        const long long i = static_cast<long long>(piece) * step.length + term;
        if (i >= e.size()) return;
        const u32 pixel = static_cast<u32>(i / e.c), channel = static_cast<u32>(i % e.c);
        point at = {0, 0};
        if (present[pixel / e.plane()]) {
            const float t = target[target_index(e, pixel, channel)];
            if (F::accepts(t)) at = f(to_float(*logits.at(pixel, channel)), t, channel);
            else ++s.refused;
        }
        s.value += at.value;
        if (gradient.data != nullptr) *gradient.at(pixel, channel) = number<T>::from(share->step * at.slope);
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.merge(from); }
    UMSREP_DEVICE void finish(u32 piece, const sums& all) const { to[piece] = all; }
};

} // namespace umsrep::cuda::kernel
)cuda"},
    {"umsrep/backend/cuda/kernel/elementwise.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/view.cuh>

namespace umsrep::cuda::kernel {

/// out = in + bias + skip, through a ReLU, n channels at a time, by `map`. In place where out is in or skip.
template <class T, int n>
struct add_up {
    extents e;
    pixels<const T> in;
    const float* bias;    ///< one per channel, or null
    pixels<const T> skip; ///< data null: none
    bool rectify;
    pixels<T> out;

    UMSREP_DEVICE long long count() const { return e.size() / n; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 pixel = i / (e.c / n), channel = i % (e.c / n) * n;
        values<n> x = load<n>(in.at(pixel, channel)), other = {};
        if (skip.data != nullptr) other = load<n>(skip.at(pixel, channel));
        for (u32 k = 0; k < n; ++k) {
            const float y = x.at[k] + (bias != nullptr ? bias[channel + k] : 0) + other.at[k];
            x.at[k] = rectify && y < 0 ? 0 : y;
        }
        store(out.at(pixel, channel), x);
    }
};

} // namespace umsrep::cuda::kernel
)cuda"},
    {"umsrep/backend/cuda/kernel/fold.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/normalization.cuh>

/// A norm by constant statistics within the convolution before it: with scale = rstd times the norm's weight of a result's channel, weights
/// times scale, and (bias - mean) scale + the norm's bias.
namespace umsrep::cuda::kernel {

/// The convolution's weights, (outputs, taps, inputs), into those that layers read, by `map`.
template <class To>
struct fold_weight {
    u32 outputs, taps, inputs;
    u32 outputs_per_group; ///< of a transposed convolution, whose results' channels are its inputs here, group by group; 0: of any other
    const float* weight;
    const moments* kept; ///< one per channel
    const float* scale;  ///< or null
    To* to;

    UMSREP_DEVICE long long count() const { return static_cast<long long>(outputs) * taps * inputs; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 output = i / inputs / taps;
        const u32 channel = outputs_per_group == 0 ? output : output / outputs_per_group * inputs + i % inputs;
        to[i] = number<To>::from(weight[i] * kept[channel].rstd * (scale != nullptr ? scale[channel] : 1));
    }
};

/// Its bias, by `map`.
struct fold_bias {
    u32 channels;
    const float* bias; ///< or null
    const moments* kept;
    const float *scale, *shift; ///< or null
    float* to;

    UMSREP_DEVICE long long count() const { return channels; }
    UMSREP_DEVICE void operator()(u32 c) const {
        const float centred = (bias != nullptr ? bias[c] : 0) - kept[c].mean;
        to[c] = centred * kept[c].rstd * (scale != nullptr ? scale[c] : 1) + (shift != nullptr ? shift[c] : 0);
    }
};

} // namespace umsrep::cuda::kernel
)cuda"},
    {"umsrep/backend/cuda/kernel/kernels.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

// All own kernels: for NVRTC, and for .cu files that nvcc compiles.
#include <umsrep/backend/cuda/kernel/activation.cuh>
#include <umsrep/backend/cuda/kernel/batch_norm.cuh>
#include <umsrep/backend/cuda/kernel/change_pixels.cuh>
#include <umsrep/backend/cuda/kernel/class_loss.cuh>
#include <umsrep/backend/cuda/kernel/copy.cuh>
#include <umsrep/backend/cuda/kernel/dropout.cuh>
#include <umsrep/backend/cuda/kernel/element_loss.cuh>
#include <umsrep/backend/cuda/kernel/elementwise.cuh>
#include <umsrep/backend/cuda/kernel/fold.cuh>
#include <umsrep/backend/cuda/kernel/map.cuh>
#include <umsrep/backend/cuda/kernel/normalization.cuh>
#include <umsrep/backend/cuda/kernel/optimizer.cuh>
#include <umsrep/backend/cuda/kernel/overlap_loss.cuh>
#include <umsrep/backend/cuda/kernel/pooling.cuh>
#include <umsrep/backend/cuda/kernel/reduce.cuh>
#include <umsrep/backend/cuda/kernel/resampling.cuh>
#include <umsrep/backend/cuda/kernel/similarity_loss.cuh>
#include <umsrep/backend/cuda/kernel/softmax.cuh>
#include <umsrep/backend/cuda/kernel/sum_channels.cuh>
)cuda"},
    {"umsrep/backend/cuda/kernel/loss.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/reduce.cuh>
#include <umsrep/backend/cuda/kernel/view.cuh>

/// The losses of umsrep/loss, term by term in float, their sums in double. Nothing comes from the host while a step runs: which samples
/// have a label, a task's weight and the scale of the loss lie in device memory, and so does the report that the host fetches later.
/// Logits and gradient are pixels of one type, targets floats in N, C, H, W as loaders give them.
namespace umsrep::cuda::kernel {

/// What the terms of a loss are multiplied with: 1 / (terms that count), 0 when there is none; for gradients also the task's weight
/// and the scale of the loss.
struct loss_share {
    double share;
    float step;
    u32 refused; ///< labels that are none
};

/// The mean loss, not multiplied by weight or scale, and how many targets were not of the loss's kind. Where there are such, the host
/// throws label_error; they count as nothing.
struct loss_report {
    double value;
    u32 refused;
};

/// The value of some terms of a loss, and how many targets were refused.
struct loss_sum {
    double value;
    u32 refused;

    UMSREP_DEVICE void merge(const loss_sum& other) {
        value += other.value;
        refused += other.refused;
    }
};

/// Which samples have a label, 0 for those that have none; null: all have one.
struct presence {
    const unsigned char* of;
    UMSREP_DEVICE bool operator[](u32 sample) const { return of == nullptr || of[sample] != 0; }
};

/// Factors of a gradient; null: 1.
struct gradient_factors {
    const float *weight, *loss_scale;
    UMSREP_DEVICE float operator()() const { return (weight != nullptr ? *weight : 1) * (loss_scale != nullptr ? *loss_scale : 1); }
};

/// The share of a mean over `each` terms of every sample that has a label, by `reduce`.
struct share_of_present {
    u32 samples;
    double each;
    presence present;
    gradient_factors factors;
    loss_share* to;

    struct sums {
        u32 count;
    };
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return 1; }
    UMSREP_DEVICE u32 length() const { return samples; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32, u32 sample) const { s.count += present[sample] ? 1u : 0u; }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.count += from.count; }
    UMSREP_DEVICE void finish(u32, const sums& all) const {
        const double share = all.count == 0 ? 0.0 : 1.0 / (all.count * each);
        *to = {share, static_cast<float>(share * static_cast<double>(factors())), 0};
    }
};

/// The report from the sums of a loss's pieces, by `reduce`.
struct loss_total {
    u32 count; ///< of sums
    const loss_sum* from;
    const loss_share* share;
    loss_report* to;

    using sums = loss_sum;
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return 1; }
    UMSREP_DEVICE u32 length() const { return count; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32, u32 i) const { s.merge(from[i]); }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.merge(from); }
    UMSREP_DEVICE void finish(u32, const sums& all) const { *to = {share->share * all.value, share->refused + all.refused}; }
};

UMSREP_DEVICE inline bool is_finite(float x) { return x - x == 0; }
UMSREP_DEVICE inline bool is_probability(float x) { return x >= 0 && x <= 1; }

/// Of a power of 0 there is no slope: below it a probability counts as this.
inline constexpr float least_miss = 1e-30f;

/// Where a target of pixel `pixel` and channel `channel` stands.
UMSREP_DEVICE inline long long target_index(const extents& e, u32 pixel, u32 channel) {
    const u32 plane = e.plane();
    return (static_cast<long long>(pixel / plane) * e.c + channel) * plane + pixel % plane;
}

} // namespace umsrep::cuda::kernel
)cuda"},
    {"umsrep/backend/cuda/kernel/map.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/base.cuh>

namespace umsrep::cuda::kernel {

/// The skeleton of all that has no sums across threads. A body is a plain structure of pointers and sizes with
///   long long count() const                       how many tasks there are, below 2^31
///   void operator()(u32 task) const               does one; no task reads what another writes
/// so that the host runs the very same body in a plain loop.
#if !defined(__CUDACC_RTC__)
template <class Body>
void map_on_host(const Body& body) {
    for (long long i = 0; i < body.count(); ++i) body(static_cast<u32>(i));
}
#endif

#if defined(__CUDACC__)
template <class Body>
__global__ void __launch_bounds__(256) map_kernel(const Body body) {
    const u32 count = static_cast<u32>(body.count());
    for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) body(i);
}
#endif

} // namespace umsrep::cuda::kernel
)cuda"},
    {"umsrep/backend/cuda/kernel/normalization.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/view.cuh>

namespace umsrep::cuda::kernel {

/// Mean and 1 / sqrt(variance + epsilon) of a group of a sample, kept from forward to backward.
struct moments {
    float mean, rstd;
};

/// out = (in - mean) rstd weight + bias with the moments of each sample's group of channels, by `reduce`. Weight and bias: one per
/// channel, or null. In place where in and out are one. Source: Wu, He, "Group Normalization", ECCV 2018.
template <class T>
struct group_norm {
    extents e;
    u32 groups;
    float epsilon;
    const float *weight, *bias;
    pixels<const T> in;
    pixels<T> out;
    moments* kept; ///< (N, groups)

    struct sums {
        double total, squares; ///< in double the difference of squares loses nothing that float had
    };
    static constexpr bool applies = true;
    UMSREP_DEVICE long long outputs() const { return static_cast<long long>(e.n) * groups; }
    UMSREP_DEVICE u32 length() const { return e.plane() * (e.c / groups); }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32 output, u32 term) const {
        const double x = to_float(*in.at(pixel(output, term), channel(output, term)));
        s.total += x;
        s.squares += x * x;
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) {
        to.total += from.total;
        to.squares += from.squares;
    }
    UMSREP_DEVICE void finish(u32 output, const sums& all) const { kept[output] = of(all); }
    UMSREP_DEVICE void apply(u32 output, u32 term, const sums& all) const {
        const moments m = of(all);
        const u32 c = channel(output, term);
        const float x = to_float(*in.at(pixel(output, term), c)), scale = weight != nullptr ? m.rstd * weight[c] : m.rstd;
        *out.at(pixel(output, term), c) = number<T>::from((x - m.mean) * scale + (bias != nullptr ? bias[c] : 0));
    }

private:
    UMSREP_DEVICE moments of(const sums& all) const {
        const double mean = all.total / length(), variance = largest(all.squares / length() - mean * mean, 0.0);
        return {static_cast<float>(mean), static_cast<float>(1 / ::sqrt(variance + static_cast<double>(epsilon)))};
    }
    UMSREP_DEVICE long long pixel(u32 output, u32 term) const {
        return static_cast<long long>(output / groups) * e.plane() + term / (e.c / groups);
    }
    UMSREP_DEVICE u32 channel(u32 output, u32 term) const { return output % groups * (e.c / groups) + term % (e.c / groups); }
};

/// A sample's and channel's share of the gradients of a group norm: sums over pixels of dy and of dy (in - mean) rstd.
struct norm_share {
    float bias, weight;
};

/// The shares (N, C), by `reduce`.
template <class T>
struct group_norm_shares {
    extents e;
    u32 groups;
    pixels<const T> in, grad_out;
    const moments* kept;
    norm_share* to;

    struct sums {
        double bias, weight;
    };
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return static_cast<long long>(e.n) * e.c; }
    UMSREP_DEVICE u32 length() const { return e.plane(); }
    UMSREP_DEVICE u32 neighbours() const { return e.c; }
    UMSREP_DEVICE void add(sums& s, u32 output, u32 term) const {
        const u32 sample = output / e.c, c = output % e.c;
        const long long pixel = static_cast<long long>(sample) * e.plane() + term;
        const moments m = kept[sample * groups + c / (e.c / groups)];
        const float d = to_float(*grad_out.at(pixel, c));
        s.bias += d;
        s.weight += d * ((to_float(*in.at(pixel, c)) - m.mean) * m.rstd);
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) {
        to.bias += from.bias;
        to.weight += from.weight;
    }
    UMSREP_DEVICE void finish(u32 output, const sums& all) const {
        to[output] = {static_cast<float>(all.bias), static_cast<float>(all.weight)};
    }
};

/// grad_weight and grad_bias, the shares' sums over samples, by `reduce`.
struct group_norm_parameters {
    u32 samples, channels;
    const norm_share* shares;
    float *grad_weight, *grad_bias;

    struct sums {
        double bias, weight;
    };
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return channels; }
    UMSREP_DEVICE u32 length() const { return samples; }
    UMSREP_DEVICE u32 neighbours() const { return channels; }
    UMSREP_DEVICE void add(sums& s, u32 channel, u32 sample) const {
        const norm_share share = shares[static_cast<long long>(sample) * channels + channel];
        s.bias += share.bias;
        s.weight += share.weight;
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) {
        to.bias += from.bias;
        to.weight += from.weight;
    }
    UMSREP_DEVICE void finish(u32 channel, const sums& all) const {
        grad_weight[channel] = static_cast<float>(all.weight);
        grad_bias[channel] = static_cast<float>(all.bias);
    }
};

/// The means over a group that its input's gradient needs: of weight dy and of weight dy (in - mean) rstd.
struct norm_means {
    float plain, slope;
};

/// The means (N, groups) from the shares, by `reduce`.
struct group_norm_means {
    extents e;
    u32 groups;
    const float* weight; ///< or null
    const norm_share* shares;
    norm_means* to;

    struct sums {
        double plain, slope;
    };
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return static_cast<long long>(e.n) * groups; }
    UMSREP_DEVICE u32 length() const { return e.c / groups; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32 output, u32 term) const {
        const u32 c = output % groups * length() + term;
        const norm_share share = shares[static_cast<long long>(output / groups) * e.c + c];
        const double w = weight != nullptr ? weight[c] : 1;
        s.plain += w * share.bias;
        s.slope += w * share.weight;
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) {
        to.plain += from.plain;
        to.slope += from.slope;
    }
    UMSREP_DEVICE void finish(u32 output, const sums& all) const {
        const double count = static_cast<double>(length()) * e.plane();
        to[output] = {static_cast<float>(all.plain / count), static_cast<float>(all.slope / count)};
    }
};

/// grad_in = rstd (weight dy - plain - (in - mean) rstd slope), n channels at a time, by `map`.
template <class T, int n>
struct group_norm_backward {
    extents e;
    u32 groups;
    const float* weight; ///< or null
    pixels<const T> in, grad_out;
    const moments* kept;
    const norm_means* means;
    pixels<T> grad_in;
    bool accumulate;

    UMSREP_DEVICE long long count() const { return e.size() / n; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 pixel = i / (e.c / n), channel = i % (e.c / n) * n, first_group = pixel / e.plane() * groups;
        const values<n> x = load<n>(in.at(pixel, channel));
        values<n> d = load<n>(grad_out.at(pixel, channel));
        for (u32 k = 0; k < n; ++k) {
            const u32 group = first_group + (channel + k) / (e.c / groups);
            const moments m = kept[group];
            const norm_means mean = means[group];
            const float w = weight != nullptr ? weight[channel + k] : 1;
            d.at[k] = m.rstd * (w * d.at[k] - mean.plain - (x.at[k] - m.mean) * m.rstd * mean.slope);
        }
        store(grad_in.at(pixel, channel), d, accumulate);
    }
};

} // namespace umsrep::cuda::kernel
)cuda"},
    {"umsrep/backend/cuda/kernel/number.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/base.cuh>

namespace umsrep::cuda::kernel {

/// How activations are stored besides float. All arithmetic is in float; conversions round to nearest, ties to even.
struct bf16 {
    unsigned short bits;
};
struct fp16 {
    unsigned short bits;
};

UMSREP_DEVICE inline u32 bits_of(float x) { return __builtin_bit_cast(u32, x); }
UMSREP_DEVICE inline float float_of(u32 bits) { return __builtin_bit_cast(float, bits); }

/// A number as T; `number<T>::from(x)` is the T nearest to x.
template <class T>
struct number;

template <>
struct number<float> {
    UMSREP_DEVICE static float to_float(float x) { return x; }
    UMSREP_DEVICE static float from(float x) { return x; }
};

template <>
struct number<bf16> {
    UMSREP_DEVICE static float to_float(bf16 x) { return float_of(static_cast<u32>(x.bits) << 16); }
    UMSREP_DEVICE static bf16 from(float x) {
        const u32 bits = bits_of(x);
        const bool nan = (bits & 0x7fffffffu) > 0x7f800000u; // rounding must not carry it into infinity
        const u32 rounded = nan ? bits | 0x00400000u : bits + 0x7fffu + ((bits >> 16) & 1u);
        return {static_cast<unsigned short>(rounded >> 16)};
    }
};

template <>
struct number<fp16> {
    UMSREP_DEVICE static float to_float(fp16 x) {
#if defined(__CUDA_ARCH__)
        float result;
        asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(x.bits));
        return result;
#else
        const u32 sign = static_cast<u32>(x.bits & 0x8000u) << 16, rest = x.bits & 0x7fffu;
        if (rest >= 0x7c00u) return float_of(sign | 0x7f800000u | ((rest & 0x3ffu) << 13)); // infinity, NaN
        if (rest >= 0x0400u) return float_of(sign | ((rest << 13) + ((127u - 15u) << 23)));
        const float subnormal = static_cast<float>(rest) * 0x1p-24f;
        return sign != 0 ? -subnormal : subnormal;
#endif
    }
    UMSREP_DEVICE static fp16 from(float x) {
#if defined(__CUDA_ARCH__)
        fp16 result;
        asm("cvt.rn.f16.f32 %0, %1;" : "=h"(result.bits) : "f"(x));
        return result;
#else
        const u32 bits = bits_of(x), sign = (bits >> 16) & 0x8000u, size = bits & 0x7fffffffu;
        u32 rest;
        if (size > 0x7f800000u) rest = 0x7e00u;                                                  // NaN
        else if (size >= 0x477ff000u) rest = 0x7c00u;                                            // 65520 and more: infinity
        else if (size >= 0x38800000u) rest = (size - ((127u - 15u) << 23) + 0xfffu + ((size >> 13) & 1u)) >> 13;
        else rest = bits_of(float_of(size) + 0.5f) - 0x3f000000u; // below 2^-14: the sum's last bit is 2^-24, as a subnormal's is
        return {static_cast<unsigned short>(sign | rest)};
#endif
    }
};

template <class T>
UMSREP_DEVICE float to_float(T x) {
    return number<T>::to_float(x);
}

/// For sums, which are in double: of a term, and to where a sum is kept.
template <class T>
UMSREP_DEVICE double to_double(T x) {
    return number<T>::to_float(x);
}
UMSREP_DEVICE inline double to_double(double x) { return x; }
UMSREP_DEVICE inline void put(double x, double& to) { to = x; }
template <class T>
UMSREP_DEVICE void put(double x, T& to) {
    to = number<T>::from(static_cast<float>(x));
}

/// n values that a thread works on together.
template <int n>
struct values {
    float at[n];
};

/// n elements as one access to memory; the address must be a multiple of its size.
template <class T, int n>
struct alignas(n * sizeof(T)) pack {
    T at[n];
};

template <int n, class T>
UMSREP_DEVICE values<n> load(const T* from) {
    const pack<T, n> stored = *reinterpret_cast<const pack<T, n>*>(from);
    values<n> result;
    for (int k = 0; k < n; ++k) result.at[k] = number<T>::to_float(stored.at[k]);
    return result;
}

/// `add`: to what is there.
template <int n, class T>
UMSREP_DEVICE void store(T* to, const values<n>& x, bool add = false) {
    pack<T, n>& place = *reinterpret_cast<pack<T, n>*>(to);
    pack<T, n> stored;
    if (add) stored = place;
    for (int k = 0; k < n; ++k) stored.at[k] = number<T>::from(add ? number<T>::to_float(stored.at[k]) + x.at[k] : x.at[k]);
    place = stored;
}

} // namespace umsrep::cuda::kernel
)cuda"},
    {"umsrep/backend/cuda/kernel/optimizer.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/loss.cuh>
#include <umsrep/backend/cuda/kernel/view.cuh>

/// One step of an optimiser over all parameters: gradient_squares of every table of chunks, prepare_step, advance_parts, adam or sgd of
/// every table. Parameters and moments are floats; gradients may be of another type (G), and so may a copy of the parameters that layers
/// read (C).
namespace umsrep::cuda::kernel {

/// A stretch of one tensor. Tensors are cut into chunks of chunk_length elements, tables of them in device memory.
struct chunk {
    float* w;
    const void* g;      ///< G
    float *m, *v;       ///< moments; v is adam's only
    void* copy;         ///< C, or null
    const float* start; ///< where L2-SP pulls the parameters to; null: nowhere
    u32 count;          ///< elements, 1 to chunk_length
    u32 part;           ///< stage or head
    double lr_scale;    ///< of the tensor's parameter group
    double decay_scale; ///< 0 for norms and biases
};
inline constexpr u32 chunk_length = 4096;

/// What the host says of a step, in device memory.
struct step_order {
    double lr;
    u64 number;         ///< steps before it
    float average_gain; ///< of the moving average of the weights
    u32 unused;
};

/// A stage or a head, whose parameters are updated together, and from step to step what adam corrects its moments by.
struct part_state {
    u64 updates;
    double rate;  ///< lr / (1 - beta1^updates)
    float spread; ///< 1 / sqrt(1 - beta2^updates)
    u32 unused;
};

/// What a run keeps in device memory from step to step, and what it knows of the last one.
struct step_state {
    double gradient_norm;  ///< of the last step, before clipping, without the loss scale
    u64 skipped;           ///< steps whose gradient was too large for their loss scale
    float loss_scale;      ///< what the next step's gradients are multiplied with: a power of two in fp16, else 1
    u32 steps_since_scale; ///< since loss_scale was changed
    float unscale, clip;   ///< of the last step: 1 / its loss scale, and what is left of the gradient behind clipping
    u32 skip;              ///< 1: nothing moves in this step
    u32 halted;            ///< 1: nor in any later one, until the host has seen what was wrong
};

/// An element of a gradient without the loss scale, with what pulls the parameter to where it started.
template <class G>
UMSREP_DEVICE float gradient_of(const chunk& c, u32 i, float unscale, float pull) {
    const float g = to_float(static_cast<const G*>(c.g)[i]) * unscale;
    return c.start != nullptr ? g + pull * (c.w[i] - c.start[i]) : g;
}

/// The sum of squares of each chunk's gradient, by `reduce`.
template <class G>
struct gradient_squares {
    u32 chunks;
    const chunk* table;
    const u32* moves; ///< of each part: 0 where it stays
    const step_state* state;
    float pull; ///< L2-SP's strength
    double* to;

    struct sums {
        double squares;
    };
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return chunks; }
    UMSREP_DEVICE u32 length() const { return chunk_length; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32 i, u32 term) const {
        const chunk& c = table[i];
        if (term >= c.count || moves[c.part] == 0) return;
        const double g = static_cast<double>(gradient_of<G>(c, term, 1 / state->loss_scale, pull));
        s.squares += g * g;
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.squares += from.squares; }
    UMSREP_DEVICE void finish(u32 i, const sums& all) const { to[i] = all.squares; }
};

/// The norm of all gradients and what follows from it, by `reduce`: how they are clipped (factor max_norm / (norm + 1e-6), as
/// optim::clip_by_norm), whether the step counts, the next loss scale. A target that was refused, or a gradient that is not finite, halts
/// the run; but a loss scale above 1 halves first, and only this step is left out. It doubles after `growth_interval` good steps
/// (Micikevicius et al., "Mixed precision training", ICLR 2018).
struct prepare_step {
    u32 chunks, reports;
    const double* squares;
    const loss_report* report; ///< of the losses of this step
    double max_norm;           ///< 0: no clipping
    u32 growth_interval;       ///< 0: the loss scale stays
    step_state* state;

    struct sums {
        double squares;
    };
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return 1; }
    UMSREP_DEVICE u32 length() const { return chunks; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32, u32 i) const { s.squares += squares[i]; }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.squares += from.squares; }
    UMSREP_DEVICE void finish(u32, const sums& all) const {
        step_state& s = *state;
        s.unscale = 1 / s.loss_scale;
        s.skip = 1;
        if (s.halted != 0) return;
        for (u32 i = 0; i < reports; ++i)
            if (report[i].refused != 0) s.halted = 1;
        s.gradient_norm = ::sqrt(all.squares);
        const bool finite = s.gradient_norm - s.gradient_norm == 0;
        if (!finite && growth_interval != 0 && s.loss_scale > 1) {
            ++s.skipped;
            s.loss_scale *= 0.5f;
            s.steps_since_scale = 0;
        } else if (!finite) {
            s.halted = 1;
        }
        if (!finite || s.halted != 0) return;
        s.skip = 0;
        s.clip = static_cast<float>(max_norm > 0 ? least(max_norm / (s.gradient_norm + 1e-6), 1.0) : 1.0);
        if (growth_interval != 0 && ++s.steps_since_scale == growth_interval) {
            if (s.loss_scale < 0x1p30f) s.loss_scale *= 2;
            s.steps_since_scale = 0;
        }
    }
};

/// Counts the update of each part that moves, by `map`.
struct advance_parts {
    u32 size;
    const u32* moves;
    const step_order* order;
    double beta1, beta2; ///< adam's; 0 without
    const step_state* state;
    part_state* parts;

    UMSREP_DEVICE long long count() const { return size; }
    UMSREP_DEVICE void operator()(u32 i) const {
        if (state->skip != 0 || moves[i] == 0) return;
        part_state& p = parts[i];
        const double count = static_cast<double>(++p.updates);
        p.rate = order->lr / (1 - ::pow(beta1, count));
        p.spread = static_cast<float>(1 / ::sqrt(1 - ::pow(beta2, count)));
    }
};

/// What adam and sgd know of a step.
struct step_view {
    const u32* moves;
    const step_order* order;
    const step_state* state;
    const part_state* parts;
    float pull; ///< L2-SP's strength

    UMSREP_DEVICE bool moves_chunk(const chunk& c) const { return state->skip == 0 && moves[c.part] != 0; }
    template <class G>
    UMSREP_DEVICE float gradient(const chunk& c, u32 i) const {
        return gradient_of<G>(c, i, state->unscale, pull) * state->clip;
    }
};

/// One step of Adam (Kingma & Ba, ICLR 2015) or AdamW (Loshchilov & Hutter, ICLR 2019), by `map`, as optim::adam and optim::adamw: what
/// is one number for a whole tensor is taken in double and rounded once, as there.
template <class G, class C>
struct adam {
    u32 chunks;
    const chunk* table;
    step_view step;
    float gain1, gain2; ///< 1 - beta1 and 1 - beta2, taken in double: 1 - 0.999f is 1.3e-5 of it off
    float keep2;        ///< beta2
    float epsilon;
    double weight_decay;
    bool decoupled;     ///< AdamW

    UMSREP_DEVICE long long count() const { return static_cast<long long>(chunks) * chunk_length; }
    UMSREP_DEVICE void operator()(u32 task) const {
        const chunk& c = table[task / chunk_length];
        const u32 i = task % chunk_length;
        if (i >= c.count || !step.moves_chunk(c)) return;
        const part_state& part = step.parts[c.part];
        const double decay = weight_decay * c.decay_scale;
        const float w = c.w[i], g = step.template gradient<G>(c, i);
        const float d = decoupled ? g : g + static_cast<float>(decay) * w;
        const float m = c.m[i] + gain1 * (d - c.m[i]);
        const float v = keep2 * c.v[i] + gain2 * d * d;
        const float kept = decoupled ? static_cast<float>(1 - step.order->lr * c.lr_scale * decay) : 1;
        const float next = kept * w - static_cast<float>(part.rate * c.lr_scale) * m / (::sqrtf(v) * part.spread + epsilon);
        c.m[i] = m;
        c.v[i] = v;
        c.w[i] = next;
        if (c.copy != nullptr) static_cast<C*>(c.copy)[i] = number<C>::from(next);
    }
};

/// One step of stochastic gradient descent with momentum, by `map`, as optim::sgd.
template <class G, class C>
struct sgd {
    u32 chunks;
    const chunk* table;
    step_view step;
    float momentum;
    bool nesterov;
    double weight_decay;

    UMSREP_DEVICE long long count() const { return static_cast<long long>(chunks) * chunk_length; }
    UMSREP_DEVICE void operator()(u32 task) const {
        const chunk& c = table[task / chunk_length];
        const u32 i = task % chunk_length;
        if (i >= c.count || !step.moves_chunk(c)) return;
        const float w = c.w[i];
        const float d = step.template gradient<G>(c, i) + static_cast<float>(weight_decay * c.decay_scale) * w;
        const float b = momentum * c.m[i] + d;
        const float next = w - static_cast<float>(step.order->lr * c.lr_scale) * (nesterov ? d + momentum * b : b);
        c.m[i] = b;
        c.w[i] = next;
        if (c.copy != nullptr) static_cast<C*>(c.copy)[i] = number<C>::from(next);
    }
};

/// average += gain (w - average) over `size` floats, by `map`: optim::ema. A gain of 1 copies, also in a step that is left out: the first
/// update may be one, and the average has to begin somewhere.
struct move_average {
    u32 size;
    const float* w;
    const step_order* order;
    const step_state* state; ///< where the weights stay, their average stays
    float* average;

    UMSREP_DEVICE long long count() const { return size; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const float gain = order->average_gain;
        if (gain == 1) average[i] = w[i];
        else if (state->skip == 0) average[i] += gain * (w[i] - average[i]);
    }
};

/// Exchanges `size` floats, by `map`.
struct swap_values {
    u32 size;
    float *a, *b;

    UMSREP_DEVICE long long count() const { return size; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const float x = a[i];
        a[i] = b[i];
        b[i] = x;
    }
};

} // namespace umsrep::cuda::kernel
)cuda"},
    {"umsrep/backend/cuda/kernel/overlap_loss.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/element_loss.cuh>

/// Soft Dice and binary cross-entropy beside it:
///   dice_weight * mean of 1 - (2 sum(p t) + smooth) / (sum(p) + sum(t) + smooth) over the channels of the samples that have a label
///   + entropy_weight * mean of the entropy over their elements.
/// In this order: share_of_present with each = channels, overlap_pieces, overlap_planes, loss_total over the planes, overlap_gradient.
namespace umsrep::cuda::kernel {

struct overlap_options {
    float smooth, dice_weight, entropy_weight;
    bce_loss entropy;
};

struct overlap_sums {
    double both, predicted, wanted, entropy;
    u32 refused;

    UMSREP_DEVICE void merge(const overlap_sums& other) {
        both += other.both;
        predicted += other.predicted;
        wanted += other.wanted;
        entropy += other.entropy;
        refused += other.refused;
    }
};

/// The sums of pieces of each plane (sample, piece, channel), by `reduce`.
template <class T>
struct overlap_pieces {
    overlap_options options;
    extents e;
    two_steps step; ///< cut(e.plane(), ...)
    pixels<const T> logits;
    const float* target;
    presence present;
    overlap_sums* to;

    using sums = overlap_sums;
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return static_cast<long long>(e.n) * step.count * e.c; }
    UMSREP_DEVICE u32 length() const { return step.length; }
    UMSREP_DEVICE u32 neighbours() const { return e.c; }
    UMSREP_DEVICE void add(sums& s, u32 output, u32 term) const {
        const u32 channel = output % e.c, piece = output / e.c % step.count, sample = output / e.c / step.count;
        const u32 inside = piece * step.length + term;
        if (inside >= e.plane() || !present[sample]) return;
        const u32 pixel = sample * e.plane() + inside;
        const float t = target[target_index(e, pixel, channel)], x = to_float(*logits.at(pixel, channel));
        if (!is_probability(t)) {
            ++s.refused;
            return;
        }
        const float yes = logistic(x).yes;
        s.both += static_cast<double>(yes * t);
        s.predicted += static_cast<double>(yes);
        s.wanted += static_cast<double>(t);
        if (options.entropy_weight != 0) s.entropy += static_cast<double>(options.entropy(x, t, channel).value);
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.merge(from); }
    UMSREP_DEVICE void finish(u32 output, const sums& all) const { to[output] = all; }
};

/// What the gradient of a plane needs: its overlap and what stands below that fraction.
struct plane_overlap {
    float ratio, step;
};

/// The overlap of each plane and its part of the loss, by `reduce`.
struct overlap_planes {
    overlap_options options;
    extents e;
    u32 count; ///< pieces of a plane
    const overlap_sums* from;
    presence present;
    const loss_share* share;
    plane_overlap* planes; ///< (N, C)
    loss_sum* values;      ///< (N, C)

    using sums = overlap_sums;
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return static_cast<long long>(e.n) * e.c; }
    UMSREP_DEVICE u32 length() const { return count; }
    UMSREP_DEVICE u32 neighbours() const { return e.c; }
    UMSREP_DEVICE void add(sums& s, u32 plane, u32 piece) const {
        s.merge(from[(static_cast<long long>(plane / e.c) * count + piece) * e.c + plane % e.c]);
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.merge(from); }
    UMSREP_DEVICE void finish(u32 plane, const sums& all) const {
        if (!present[plane / e.c]) {
            planes[plane] = {1, 0};
            values[plane] = {0, 0};
            return;
        }
        const double smooth = static_cast<double>(options.smooth);
        const double above = 2 * all.both + smooth, below = all.predicted + all.wanted + smooth;
        const bool empty = below < 1e-300; // nothing wanted, found or smoothed; false for NaN
        const double ratio = empty ? 1.0 : above / below, dice_weight = static_cast<double>(options.dice_weight);
        const double step = empty ? 0.0 : dice_weight * static_cast<double>(share->step) / below;
        planes[plane] = {static_cast<float>(ratio), static_cast<float>(step)};
        values[plane] = {dice_weight * (1 - ratio) + static_cast<double>(options.entropy_weight) * all.entropy / e.plane(), all.refused};
    }
};

/// The gradient, by `map`.
template <class T>
struct overlap_gradient {
    overlap_options options;
    extents e;
    pixels<const T> logits;
    const float* target;
    presence present;
    const loss_share* share;
    const plane_overlap* planes;
    pixels<T> gradient;

    UMSREP_DEVICE long long count() const { return e.size(); }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 pixel = i / e.c, channel = i % e.c, sample = pixel / e.plane();
        float slope = 0;
        if (present[sample]) {
            const float t = target[target_index(e, pixel, channel)], x = to_float(*logits.at(pixel, channel));
            const plane_overlap plane = planes[sample * e.c + channel];
            const logistic at(x);
            slope = plane.step * (plane.ratio - 2 * t) * at.yes * at.no;
            if (options.entropy_weight != 0)
                slope += options.entropy_weight * share->step / static_cast<float>(e.plane()) * options.entropy(x, t, channel).slope;
            if (!is_probability(t)) slope = 0;
        }
        *gradient.at(pixel, channel) = number<T>::from(slope);
    }
};

} // namespace umsrep::cuda::kernel
)cuda"},
    {"umsrep/backend/cuda/kernel/pooling.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/window.cuh>

namespace umsrep::cuda::kernel {

/// The mean of each plane, by `reduce`: (N, H, W, C) to (N, C).
template <class T>
struct global_average {
    extents e;
    pixels<const T> in;
    pixels<T> out; ///< one pixel per sample

    struct sums {
        double total;
    };
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return static_cast<long long>(e.n) * e.c; }
    UMSREP_DEVICE u32 length() const { return e.plane(); }
    UMSREP_DEVICE u32 neighbours() const { return e.c; }
    UMSREP_DEVICE void add(sums& s, u32 output, u32 pixel) const {
        s.total += to_float(*in.at(static_cast<long long>(output / e.c) * e.plane() + pixel, output % e.c));
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.total += from.total; }
    UMSREP_DEVICE void finish(u32 output, const sums& all) const {
        *out.at(output / e.c, output % e.c) = number<T>::from(static_cast<float>(all.total / e.plane()));
    }
};

/// Every pixel gets its share of the mean's gradient, n channels at a time, by `map`.
template <class T, int n>
struct global_average_backward {
    extents e;
    pixels<const T> grad_out; ///< one pixel per sample
    pixels<T> grad_in;
    bool accumulate;

    UMSREP_DEVICE long long count() const { return e.size() / n; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 pixel = i / (e.c / n), channel = i % (e.c / n) * n;
        values<n> d = load<n>(grad_out.at(pixel / e.plane(), channel));
        for (int k = 0; k < n; ++k) d.at[k] /= static_cast<float>(e.plane());
        store(grad_in.at(pixel, channel), d, accumulate);
    }
};

/// The largest pixel under each window, n channels at a time, by `map`: the first one in row-major order; a NaN counts as the largest.
/// cuDNN's takes windows of 128 pixels at most, and no slices of wider images. Tap: a number that counts a window's pixels.
template <class T, class Tap, int n>
struct max_pool {
    sliding_window window;
    pixels<const T> in;
    pixels<T> out;
    Tap* tap; ///< which pixel of the window it was, one for each result (pixel, channel), for backward; null: not wanted

    UMSREP_DEVICE long long count() const { return window.results.size() / n; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const sliding_window& w = window;
        const place<n> p(w.results, i);
        values<n> best = {};
        u32 where[n];
        for (int k = 0; k < n; ++k) where[k] = ~0u;
        for (u32 a = 0; a < w.kernel_h; ++a) {
            const int y = w.row(p.y, a);
            if (y < 0) continue;
            for (u32 b = 0; b < w.kernel_w; ++b) {
                const int x = w.column(p.x, b);
                if (x < 0) continue;
                const values<n> v = load<n>(in.at(w.image.pixel(p.sample, static_cast<u32>(y), static_cast<u32>(x)), p.channel));
                for (int k = 0; k < n; ++k) {
                    if (where[k] != ~0u && !(v.at[k] > best.at[k] || v.at[k] != v.at[k])) continue;
                    best.at[k] = v.at[k];
                    where[k] = a * w.kernel_w + b;
                }
            }
        }
        const long long pixel = w.results.pixel(p.sample, p.y, p.x);
        store(out.at(pixel, p.channel), best);
        if (tap == nullptr) return;
        pack<Tap, n> taps;
        for (int k = 0; k < n; ++k) taps.at[k] = static_cast<Tap>(where[k]);
        *reinterpret_cast<pack<Tap, n>*>(tap + pixel * w.results.c + p.channel) = taps;
    }
};

/// Each pixel gathers the gradients of the windows in which it was the largest, n channels at a time, by `map`.
template <class T, class Tap, int n>
struct max_pool_backward {
    sliding_window window;
    pixels<const T> grad_out;
    const Tap* tap;
    pixels<T> grad_in;
    bool accumulate;

    UMSREP_DEVICE long long count() const { return window.image.size() / n; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const sliding_window& w = window;
        const place<n> p(w.image, i);
        values<n> sum = {};
        for (u32 a = w.kernel_h; a-- > 0;) { // windows in row-major order
            const int y = w.position_of_row(p.y, a);
            if (y < 0) continue;
            for (u32 b = w.kernel_w; b-- > 0;) {
                const int x = w.position_of_column(p.x, b);
                if (x < 0) continue;
                const long long pixel = w.results.pixel(p.sample, static_cast<u32>(y), static_cast<u32>(x));
                const values<n> d = load<n>(grad_out.at(pixel, p.channel));
                const pack<Tap, n> taps = *reinterpret_cast<const pack<Tap, n>*>(tap + pixel * w.results.c + p.channel);
                for (int k = 0; k < n; ++k)
                    if (taps.at[k] == static_cast<Tap>(a * w.kernel_w + b)) sum.at[k] += d.at[k];
            }
        }
        store(grad_in.at(w.image.pixel(p.sample, p.y, p.x), p.channel), sum, accumulate);
    }
};

} // namespace umsrep::cuda::kernel
)cuda"},
    {"umsrep/backend/cuda/kernel/reduce.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/base.cuh>

namespace umsrep::cuda::kernel {

/// The skeleton of all sums. `outputs()` sums of `length()` terms each; a body is a plain structure with
///   using sums = ...                                         an aggregate; all zero is the sum of nothing
///   long long outputs() const, u32 length() const            outputs: below 2^31
///   u32 neighbours() const                                   so many outputs in a row lie next to each other in memory; 1: the terms do
///   void add(sums&, u32 output, u32 term) const
///   static void merge(sums& to, const sums& from)
///   void finish(u32 output, const sums& all) const           once for each output, when its sum is known
///   static constexpr bool applies                            whether there is
///   void apply(u32 output, u32 term, const sums& all) const  then, once for each term
///
/// A block of reduce_threads threads makes `across` outputs side by side. Thread t of an output's adds the terms t, t + threads, ... and a
/// tree adds what the threads have: an order that depends on the shape alone, the same every time and on every device.
inline constexpr u32 reduce_threads = 256;

/// How many outputs a block makes side by side: neighbours, for coalesced reads; more where an output has too few terms for its threads.
UMSREP_DEVICE constexpr u32 reduce_across(u32 neighbours, u32 length) {
    u32 across = 1;
    while (across < 32 && 2 * across <= neighbours) across *= 2;
    while (across < reduce_threads && reduce_threads / across > length) across *= 2;
    return across;
}

#if !defined(__CUDACC_RTC__)
/// The same sums in the same order.
template <class Body>
void reduce_on_host(const Body& body) {
    const u32 length = body.length(), threads = reduce_threads / reduce_across(body.neighbours(), length);
    for (long long i = 0; i < body.outputs(); ++i) {
        const u32 output = static_cast<u32>(i);
        typename Body::sums part[reduce_threads] = {};
        for (u32 t = 0; t < threads; ++t)
            for (u32 term = t; term < length; term += threads) body.add(part[t], output, term);
        for (u32 half = threads / 2; half > 0; half /= 2)
            for (u32 t = 0; t < half; ++t) Body::merge(part[t], part[t + half]);
        body.finish(output, part[0]);
        if constexpr (Body::applies)
            for (u32 term = 0; term < length; ++term) body.apply(output, term, part[0]);
    }
}
#endif

#if defined(__CUDACC__)
/// Blocks of (across, reduce_threads / across) threads.
template <class Body>
__global__ void __launch_bounds__(reduce_threads) reduce_kernel(const Body body) {
    using sums = typename Body::sums;
    alignas(sums) __shared__ unsigned char room[reduce_threads * sizeof(sums)];
    sums* const part = reinterpret_cast<sums*>(room);
    sums& mine = part[threadIdx.y * blockDim.x + threadIdx.x];
    const u32 outputs = static_cast<u32>(body.outputs()), length = body.length();
    for (u32 first = blockIdx.x * blockDim.x; first < outputs; first += gridDim.x * blockDim.x) {
        const u32 output = first + threadIdx.x;
        const bool there = output < outputs;
        sums s = {};
        if (there)
            for (u32 term = threadIdx.y; term < length; term += blockDim.y) body.add(s, output, term);
        mine = s;
        for (u32 half = blockDim.y / 2; half > 0; half /= 2) {
            __syncthreads();
            if (threadIdx.y < half) Body::merge(mine, part[(threadIdx.y + half) * blockDim.x + threadIdx.x]);
        }
        __syncthreads();
        const sums all = part[threadIdx.x];
        if (there && threadIdx.y == 0) body.finish(output, all);
        if constexpr (Body::applies)
            if (there)
                for (u32 term = threadIdx.y; term < length; term += blockDim.y) body.apply(output, term, all);
        __syncthreads(); // all have read before the next outputs overwrite
    }
}
#endif

/// A sum of many terms in two launches: terms [piece length, ...) of each piece first, then the pieces.
struct two_steps {
    u32 length, count;
};
/// Pieces of at least `least_length` terms, 512 of them at most.
UMSREP_DEVICE constexpr two_steps cut(long long terms, u32 least_length) {
    const u32 length = largest(least_length, static_cast<u32>(pieces(terms, 512)));
    return {length, static_cast<u32>(pieces(terms, length))};
}

} // namespace umsrep::cuda::kernel
)cuda"},
    {"umsrep/backend/cuda/kernel/resampling.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/view.cuh>

namespace umsrep::cuda::kernel {

/// Every pixel becomes a block of factor_h x factor_w pixels, n channels at a time, by `map`. `in` is the smaller image.
template <class T, int n>
struct upsample_nearest {
    extents in; ///< out: factor_h in.h x factor_w in.w
    u32 factor_h, factor_w;
    pixels<const T> from;
    pixels<T> to;

    UMSREP_DEVICE extents out() const { return {in.n, in.h * factor_h, in.w * factor_w, in.c}; }
    UMSREP_DEVICE long long count() const { return out().size() / n; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const place<n> p(out(), i);
        store(to.at(out().pixel(p.sample, p.y, p.x), p.channel),
              load<n>(from.at(in.pixel(p.sample, p.y / factor_h, p.x / factor_w), p.channel)));
    }
};

/// Each pixel of the smaller image gets the gradients of its block, row by row.
template <class T, int n>
struct upsample_nearest_backward {
    extents in;
    u32 factor_h, factor_w;
    pixels<const T> grad_out;
    pixels<T> grad_in;
    bool accumulate;

    UMSREP_DEVICE long long count() const { return in.size() / n; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const place<n> p(in, i);
        const extents out = {in.n, in.h * factor_h, in.w * factor_w, in.c};
        values<n> sum = {};
        for (u32 y = p.y * factor_h; y < (p.y + 1) * factor_h; ++y)
            for (u32 x = p.x * factor_w; x < (p.x + 1) * factor_w; ++x) {
                const values<n> d = load<n>(grad_out.at(out.pixel(p.sample, y, x), p.channel));
                for (int k = 0; k < n; ++k) sum.at[k] += d.at[k];
            }
        store(grad_in.at(in.pixel(p.sample, p.y, p.x), p.channel), sum, accumulate);
    }
};

/// Between which two pixels a pixel of the enlarged image lies along one axis, and how much of the second it takes. Pixel centres are
/// at half integers (align_corners = false); beyond the border the border's value goes on.
struct between {
    u32 low, high;
    float share;

    UMSREP_DEVICE between(u32 position, u32 factor, u32 image) {
        const float source = largest((static_cast<float>(position) + 0.5f) / static_cast<float>(factor) - 0.5f, 0.0f);
        low = least(static_cast<u32>(source), image - 1);
        high = least(low + 1, image - 1);
        share = source - static_cast<float>(low);
    }
    /// How much of pixel `i` it takes.
    UMSREP_DEVICE float of(u32 i) const { return (low == i ? 1 - share : 0) + (high == i ? share : 0); }
};

/// Bilinear interpolation, n channels at a time, by `map`.
template <class T, int n>
struct upsample_bilinear {
    extents in; ///< out: factor_h in.h x factor_w in.w
    u32 factor_h, factor_w;
    pixels<const T> from;
    pixels<T> to;

    UMSREP_DEVICE extents out() const { return {in.n, in.h * factor_h, in.w * factor_w, in.c}; }
    UMSREP_DEVICE long long count() const { return out().size() / n; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const place<n> p(out(), i);
        const between v(p.y, factor_h, in.h), u(p.x, factor_w, in.w);
        const values<n> a = at(p, v.low, u.low), b = at(p, v.low, u.high), c = at(p, v.high, u.low), d = at(p, v.high, u.high);
        values<n> x;
        for (int k = 0; k < n; ++k)
            x.at[k] = (1 - v.share) * ((1 - u.share) * a.at[k] + u.share * b.at[k]) +
                      v.share * ((1 - u.share) * c.at[k] + u.share * d.at[k]);
        store(to.at(out().pixel(p.sample, p.y, p.x), p.channel), x);
    }

private:
    UMSREP_DEVICE values<n> at(const place<n>& p, u32 y, u32 x) const { return load<n>(from.at(in.pixel(p.sample, y, x), p.channel)); }
};

/// Each pixel of the smaller image gathers from those of the larger one that took something of it, row by row.
template <class T, int n>
struct upsample_bilinear_backward {
    extents in;
    u32 factor_h, factor_w;
    pixels<const T> grad_out;
    pixels<T> grad_in;
    bool accumulate;

    UMSREP_DEVICE long long count() const { return in.size() / n; }
    UMSREP_DEVICE void operator()(u32 i) const {
        const place<n> p(in, i);
        const extents out = {in.n, in.h * factor_h, in.w * factor_w, in.c};
        const range ys(p.y, factor_h, out.h), xs(p.x, factor_w, out.w);
        values<n> sum = {};
        for (u32 y = ys.begin; y < ys.end; ++y) {
            const float of_row = between(y, factor_h, in.h).of(p.y);
            if (of_row == 0) continue;
            for (u32 x = xs.begin; x < xs.end; ++x) {
                const float weight = of_row * between(x, factor_w, in.w).of(p.x);
                if (weight == 0) continue;
                const values<n> d = load<n>(grad_out.at(out.pixel(p.sample, y, x), p.channel));
                for (int k = 0; k < n; ++k) sum.at[k] += weight * d.at[k];
            }
        }
        store(grad_in.at(in.pixel(p.sample, p.y, p.x), p.channel), sum, accumulate);
    }

private:
    /// The pixels whose centres are less than a pixel of the smaller image away from that of its pixel `i`.
    struct range {
        u32 begin, end;
        UMSREP_DEVICE range(u32 i, u32 factor, u32 image) {
            const u32 first = i * factor, around = factor / 2;
            begin = first > around ? first - around : 0;
            end = least(first + factor + around, image);
        }
    };
};

} // namespace umsrep::cuda::kernel
)cuda"},
    {"umsrep/backend/cuda/kernel/similarity_loss.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/loss.cuh>

/// Structural similarity over a pyramid of scales, and the absolute error beside it:
///   mean over the channels of the samples that have a label of  alpha (1 - prod_j m_j^w_j) + (1 - alpha) mean |x - t|,
/// m_j the mean contrast-structure of scale j, of the coarsest the mean similarity; one scale is plain SSIM. As umsrep::loss::ssim, ms_ssim
/// and l1_ms_ssim, which name the sources. All between logits and gradient are planes of floats (N, C, H, W).
///
/// In this order: share_of_present with each = channels, to_planes, plane_errors; for each scale halve_planes (not for the finest),
/// smooth_rows, compare_planes, and where a gradient is wanted spread_columns, spread_rows; then judge_planes, loss_total over the planes,
/// fold_scales from the second coarsest to the second finest, similarity_gradient.
namespace umsrep::cuda::kernel {

inline constexpr u32 window_taps = 11, most_scales = 5;

/// The Gaussian along a side of the window, sum 1.
struct gaussian {
    float at[window_taps];
};

/// Planes of one scale, and their inside, where the window lies wholly on the plane.
struct scale_planes {
    u32 count, h, w;

    UMSREP_DEVICE constexpr u32 size() const { return h * w; }
    UMSREP_DEVICE constexpr u32 inner_h() const { return h - (window_taps - 1); }
    UMSREP_DEVICE constexpr u32 inner_w() const { return w - (window_taps - 1); }
    UMSREP_DEVICE constexpr u32 inner() const { return inner_h() * inner_w(); }
    UMSREP_DEVICE constexpr u32 rows() const { return h * inner_w(); }
    UMSREP_DEVICE constexpr scale_planes half() const { return {count, h / 2, w / 2}; }
};

/// Images in [0, 1] are shifted by this before they are squared: a variance does not change, and loses less to rounding.
inline constexpr float middle_grey = 0.5f;

/// The absolute error of each plane, and how many of its targets were refused, by `reduce`.
struct plane_errors {
    extents e;
    const float *x, *target;
    presence present;
    loss_sum* to; ///< (N, C)

    using sums = loss_sum;
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return static_cast<long long>(e.n) * e.c; }
    UMSREP_DEVICE u32 length() const { return e.plane(); }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32 plane, u32 pixel) const {
        if (!present[plane / e.c]) return;
        const long long i = static_cast<long long>(plane) * e.plane() + pixel;
        if (is_finite(target[i])) s.value += static_cast<double>(::fabsf(x[i] - target[i]));
        else ++s.refused;
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.merge(from); }
    UMSREP_DEVICE void finish(u32 plane, const sums& all) const { to[plane] = all; }
};

/// Means of 2 x 2 blocks, by `map`; an odd last row or column falls away.
struct halve_planes {
    scale_planes fine;
    const float* from;
    float* to;

    UMSREP_DEVICE long long count() const { return static_cast<long long>(fine.count) * fine.half().size(); }
    UMSREP_DEVICE void operator()(u32 i) const {
        const scale_planes half = fine.half();
        const u32 x = i % half.w, y = i / half.w % half.h, plane = i / half.size();
        const float* const p = from + static_cast<long long>(plane) * fine.size() + 2 * y * fine.w + 2 * x;
        to[i] = 0.25f * ((p[0] + p[1]) + (p[fine.w] + p[fine.w + 1]));
    }
};

/// What is smoothed of two images: x, y, x^2 + y^2 and x y, of pixels less the middle grey.
struct window_moments {
    float x, y, squares, product;
};

/// The moments smoothed along rows, by `map`: (plane, row, inner column).
struct smooth_rows {
    scale_planes s;
    gaussian g;
    const float *x, *y;
    window_moments* to;

    UMSREP_DEVICE long long count() const { return static_cast<long long>(s.count) * s.rows(); }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 column = i % s.inner_w(), row = i / s.inner_w(); // of all planes
        const long long first = static_cast<long long>(row) * s.w + column;
        window_moments m = {0, 0, 0, 0};
        for (u32 k = 0; k < window_taps; ++k) {
            const float a = x[first + k] - middle_grey, b = y[first + k] - middle_grey;
            m.x += g.at[k] * a;
            m.y += g.at[k] * b;
            m.squares += g.at[k] * (a * a + b * b);
            m.product += g.at[k] * (a * b);
        }
        to[i] = m;
    }
};

/// The derivatives of a similarity by the smoothed x, x^2 and x y.
struct similarity_slopes {
    float mean, squares, product;
};

/// Smooths down the columns what smooth_rows gave, and adds l cs, or cs alone, over pieces of each plane, by `reduce`:
///   l  = (2 mx my + C1) / (mx^2 + my^2 + C1),   cs = (2 sxy + C2) / (sxx + syy + C2).
struct compare_planes {
    scale_planes s;
    two_steps step; ///< cut(s.inner(), ...)
    gaussian g;
    bool luminance; ///< whether l counts
    const window_moments* rows;
    similarity_slopes* slopes; ///< (plane, inner pixel), of the mean over the inside; null: not wanted
    double* to;                ///< (plane, piece)

    struct sums {
        double value;
    };
    static constexpr bool applies = false;
    static constexpr float c1 = 0.01f * 0.01f, c2 = 0.03f * 0.03f; // (K1 L)^2, (K2 L)^2 with L = 1
    UMSREP_DEVICE long long outputs() const { return static_cast<long long>(s.count) * step.count; }
    UMSREP_DEVICE u32 length() const { return step.length; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& sum, u32 output, u32 term) const {
        const u32 plane = output / step.count, inside = output % step.count * step.length + term;
        if (inside >= s.inner()) return;
        const window_moments* const from = rows + static_cast<long long>(plane) * s.rows() + inside;
        window_moments m = {0, 0, 0, 0};
        for (u32 k = 0; k < window_taps; ++k) {
            const window_moments& r = from[static_cast<long long>(k) * s.inner_w()];
            m.x += g.at[k] * r.x;
            m.y += g.at[k] * r.y;
            m.squares += g.at[k] * r.squares;
            m.product += g.at[k] * r.product;
        }
        const float above = 2 * (m.product - m.x * m.y) + c2, below = (m.squares - (m.x * m.x + m.y * m.y)) + c2;
        const float over = 1 / below, cs = above * over;
        float l = 1, l_slope = 0; // d l / d mx
        if (luminance) {
            const float a = m.x + middle_grey, b = m.y + middle_grey, light = 1 / (a * a + b * b + c1);
            l = (2 * a * b + c1) * light;
            l_slope = 2 * (b - l * a) * light;
        }
        sum.value += static_cast<double>(l * cs);
        if (slopes == nullptr) return;
        const float share = 1 / static_cast<float>(s.inner()), common = share * l * over;
        slopes[static_cast<long long>(plane) * s.inner() + inside] = {share * l_slope * cs + 2 * common * (cs * m.x - m.y), -common * cs,
                                                                      2 * common};
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.value += from.value; }
    UMSREP_DEVICE void finish(u32 output, const sums& all) const { to[output] = all.value; }
};

/// The transpose of smoothing down the columns, by `map`: (plane, row, inner column).
struct spread_columns {
    scale_planes s;
    gaussian g;
    const similarity_slopes* from;
    similarity_slopes* to;

    UMSREP_DEVICE long long count() const { return static_cast<long long>(s.count) * s.rows(); }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 column = i % s.inner_w(), row = i / s.inner_w() % s.h, plane = i / s.rows();
        const similarity_slopes* const p = from + static_cast<long long>(plane) * s.inner() + column;
        similarity_slopes sum = {0, 0, 0};
        for (u32 k = 0; k < window_taps; ++k) { // a window that begins k rows above
            if (k > row || row - k >= s.inner_h()) continue;
            const similarity_slopes& at = p[(row - k) * s.inner_w()];
            sum.mean += g.at[k] * at.mean;
            sum.squares += g.at[k] * at.squares;
            sum.product += g.at[k] * at.product;
        }
        to[i] = sum;
    }
};

/// The same along rows, and the gradient of the mean similarity by each pixel of x from it, by `map`.
struct spread_rows {
    scale_planes s;
    gaussian g;
    const similarity_slopes* from;
    const float *x, *y;
    float* gradient;

    UMSREP_DEVICE long long count() const { return static_cast<long long>(s.count) * s.size(); }
    UMSREP_DEVICE void operator()(u32 i) const {
        const u32 column = i % s.w, row = i / s.w; // of all planes
        const similarity_slopes* const p = from + static_cast<long long>(row) * s.inner_w();
        similarity_slopes sum = {0, 0, 0};
        for (u32 k = 0; k < window_taps; ++k) {
            if (k > column || column - k >= s.inner_w()) continue;
            const similarity_slopes& at = p[column - k];
            sum.mean += g.at[k] * at.mean;
            sum.squares += g.at[k] * at.squares;
            sum.product += g.at[k] * at.product;
        }
        gradient[i] = sum.mean + 2 * (x[i] - middle_grey) * sum.squares + (y[i] - middle_grey) * sum.product;
    }
};

struct similarity_options {
    u32 scales;
    double exponent[most_scales]; ///< of the scales' means; not read where there is one
    double floor;                 ///< a scale's mean counts as this when it is below
    double alpha;                 ///< weight of 1 - similarity; 1 - alpha: of the absolute error
};

/// The loss of each plane from the means of its scales and its absolute error, and by how much each scale's gradient counts, by `reduce`.
struct judge_planes {
    similarity_options options;
    extents e;
    u32 pieces[most_scales]; ///< of a plane in each scale
    u32 inner[most_scales];  ///< pixels of the inside
    const double* means[most_scales];
    const loss_sum* errors;
    presence present;
    const loss_share* share;
    float* factors;   ///< (plane, most_scales)
    loss_sum* values; ///< (plane)

    struct sums {
        double of_scale[most_scales];
    };
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return static_cast<long long>(e.n) * e.c; }
    UMSREP_DEVICE u32 length() const {
        u32 most = 0;
        for (u32 j = 0; j < options.scales; ++j) most = largest(most, pieces[j]);
        return most;
    }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32 plane, u32 piece) const {
        for (u32 j = 0; j < options.scales; ++j)
            if (piece < pieces[j]) s.of_scale[j] += means[j][static_cast<long long>(plane) * pieces[j] + piece];
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) {
        for (u32 j = 0; j < most_scales; ++j) to.of_scale[j] += from.of_scale[j];
    }
    UMSREP_DEVICE void finish(u32 plane, const sums& all) const {
        float* const factor = factors + static_cast<long long>(plane) * most_scales;
        for (u32 j = 0; j < most_scales; ++j) factor[j] = 0;
        values[plane] = {0, 0};
        if (!present[plane / e.c]) return;
        if (const u32 refused = errors[plane].refused; refused != 0) {
            values[plane].refused = refused;
            return;
        }
        double product = 1, slope[most_scales] = {}; // d log(product) / d m_j
        for (u32 j = 0; j < options.scales; ++j) {
            const double m = all.of_scale[j] / inner[j];
            if (options.scales == 1) { // no power: a negative similarity is a number like any other
                product = m;
                slope[j] = 1;
            } else {
                product *= m != m ? m : ::pow(m > options.floor ? m : options.floor, options.exponent[j]);
                slope[j] = m > options.floor ? options.exponent[j] / m : 0;
            }
        }
        const double outer = -options.alpha * static_cast<double>(share->step) * (options.scales == 1 ? 1 : product);
        for (u32 j = 0; j < options.scales; ++j) factor[j] = static_cast<float>(outer * slope[j]);
        values[plane].value = options.alpha * (1 - product) + (1 - options.alpha) * errors[plane].value / e.plane();
    }
};

/// The gradient of a scale times its factor, and behind it that of the next coarser scale, by `map`. In place.
struct fold_scales {
    scale_planes s;
    u32 scale;
    const float* factors;
    const float* coarser; ///< already times its factor; null: there is none
    float* gradient;

    UMSREP_DEVICE long long count() const { return static_cast<long long>(s.count) * s.size(); }
    UMSREP_DEVICE void operator()(u32 i) const { gradient[i] = at(i); }
    UMSREP_DEVICE float at(u32 i) const {
        const u32 x = i % s.w, y = i / s.w % s.h, plane = i / s.size();
        const scale_planes half = s.half();
        float sum = factors[static_cast<long long>(plane) * most_scales + scale] * gradient[i];
        if (coarser != nullptr && x / 2 < half.w && y / 2 < half.h)
            sum += 0.25f * coarser[static_cast<long long>(plane) * half.size() + y / 2 * half.w + x / 2];
        return sum;
    }
};

/// The gradient at the logits, by `map`.
template <class T>
struct similarity_gradient {
    extents e;
    fold_scales finest;
    float error_weight; ///< 1 - alpha
    const float *x, *target;
    const loss_sum* errors;
    presence present;
    const loss_share* share;
    pixels<T> gradient;

    UMSREP_DEVICE long long count() const { return e.size(); }
    UMSREP_DEVICE void operator()(u32 task) const {
        const u32 pixel = task / e.c, channel = task % e.c, sample = pixel / e.plane(), plane = sample * e.c + channel;
        float slope = 0;
        if (present[sample] && errors[plane].refused == 0) {
            const u32 i = plane * e.plane() + pixel % e.plane();
            const float d = x[i] - target[i];
            slope = finest.at(i);
            if (error_weight != 0)
                slope += error_weight * share->step / static_cast<float>(e.plane()) * (d > 0 ? 1.0f : d < 0 ? -1.0f : d - d);
        }
        *gradient.at(pixel, channel) = number<T>::from(slope);
    }
};

} // namespace umsrep::cuda::kernel
)cuda"},
    {"umsrep/backend/cuda/kernel/softmax.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/view.cuh>

namespace umsrep::cuda::kernel {

/// The largest of some values and the sum of exp(value - largest); all zero: of none.
struct exp_sum {
    float largest, total;

    UMSREP_DEVICE void add(float x) { merge({x, 1}); }
    UMSREP_DEVICE void merge(const exp_sum& other) {
        if (other.total == 0) return;
        if (total == 0) *this = other;
        else if (other.largest == largest) total += other.total; // both may be -infinity
        else if (other.largest > largest) *this = {other.largest, other.total + total * ::expf(largest - other.largest)};
        else total += other.total * ::expf(other.largest - largest);
    }
};

/// exp(x_c) / sum of exp(x_k) over the channels of each pixel, by `reduce`. In place where the two are one.
template <class T>
struct softmax {
    extents e;
    pixels<const T> in;
    pixels<T> out;

    using sums = exp_sum;
    static constexpr bool applies = true;
    UMSREP_DEVICE long long outputs() const { return e.pixels(); }
    UMSREP_DEVICE u32 length() const { return e.c; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32 pixel, u32 c) const { s.add(to_float(*in.at(pixel, c))); }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.merge(from); }
    UMSREP_DEVICE void finish(u32, const sums&) const {}
    UMSREP_DEVICE void apply(u32 pixel, u32 c, const sums& all) const {
        *out.at(pixel, c) = number<T>::from(::expf(to_float(*in.at(pixel, c)) - all.largest) / all.total);
    }
};

/// grad_in_c = y_c (dy_c - sum of dy_k y_k), by `reduce`. Reads the output y. In place where grad_in is grad_out.
template <class T>
struct softmax_backward {
    extents e;
    pixels<const T> grad_out, out;
    pixels<T> grad_in;
    bool accumulate;

    struct sums {
        float inner;
    };
    static constexpr bool applies = true;
    UMSREP_DEVICE long long outputs() const { return e.pixels(); }
    UMSREP_DEVICE u32 length() const { return e.c; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32 pixel, u32 c) const { s.inner += to_float(*grad_out.at(pixel, c)) * to_float(*out.at(pixel, c)); }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.inner += from.inner; }
    UMSREP_DEVICE void finish(u32, const sums&) const {}
    UMSREP_DEVICE void apply(u32 pixel, u32 c, const sums& all) const {
        const float y = to_float(*out.at(pixel, c));
        store(grad_in.at(pixel, c), values<1>{{y * (to_float(*grad_out.at(pixel, c)) - all.inner)}}, accumulate);
    }
};

} // namespace umsrep::cuda::kernel
)cuda"},
    {"umsrep/backend/cuda/kernel/sum_channels.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/reduce.cuh>
#include <umsrep/backend/cuda/kernel/view.cuh>

namespace umsrep::cuda::kernel {

/// The sum of each channel over all pixels, n channels at a time, by `reduce`: a bias's gradient. In two steps: over the pixels of
/// each piece to `to` (piece, channel), doubles; then the same over the pieces, which are the pixels of that.
template <class From, class To, int n>
struct sum_channels {
    long long rows; ///< pixels of all samples
    u32 channels;
    two_steps step; ///< cut(rows, ...); of the second step {rows, 1}
    pixels<const From> from;
    To* to; ///< (step.count, channels), dense

    struct sums {
        double at[n];
    };
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return static_cast<long long>(step.count) * (channels / n); }
    UMSREP_DEVICE u32 length() const { return step.length; }
    UMSREP_DEVICE u32 neighbours() const { return channels / n; }
    UMSREP_DEVICE void add(sums& s, u32 output, u32 term) const {
        const u32 packs = channels / n;
        const long long row = static_cast<long long>(output / packs) * step.length + term;
        if (row >= rows) return;
        const pack<From, n> x = *reinterpret_cast<const pack<From, n>*>(from.at(row, output % packs * n));
        for (int k = 0; k < n; ++k) s.at[k] += to_double(x.at[k]);
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) {
        for (int k = 0; k < n; ++k) to.at[k] += from.at[k];
    }
    UMSREP_DEVICE void finish(u32 output, const sums& all) const {
        for (u32 k = 0; k < n; ++k) put(all.at[k], to[static_cast<long long>(output) * n + k]);
    }
};

} // namespace umsrep::cuda::kernel
)cuda"},
    {"umsrep/backend/cuda/kernel/view.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/number.cuh>

namespace umsrep::cuda::kernel {

/// A batch of images in memory, pixel after pixel (N, H, W), the channels of each next to each other; `stride` elements from pixel to
/// pixel: more than the channels where this is a slice of a wider tensor.
template <class T>
struct pixels {
    T* data;
    long long stride;

    UMSREP_DEVICE T* at(long long pixel, u32 channel) const { return data + pixel * stride + channel; }
};

/// A batch of images: samples, height, width, channels.
struct extents {
    u32 n, h, w, c;

    UMSREP_DEVICE constexpr u32 plane() const { return h * w; }
    UMSREP_DEVICE constexpr long long pixels() const { return static_cast<long long>(n) * h * w; }
    UMSREP_DEVICE constexpr long long size() const { return pixels() * c; }
    UMSREP_DEVICE constexpr long long pixel(u32 sample, u32 y, u32 x) const { return (static_cast<long long>(sample) * h + y) * w + x; }
};

/// Where the i-th n channels of an image stand, the channels of a pixel before the next pixel.
template <int n>
struct place {
    u32 sample, y, x, channel;

    UMSREP_DEVICE place(const extents& e, u32 i) {
        const u32 packs = e.c / n, pixel = i / packs, row = pixel / e.w;
        channel = i % packs * n;
        x = pixel % e.w;
        y = row % e.h;
        sample = row / e.h;
    }
};

} // namespace umsrep::cuda::kernel
)cuda"},
    {"umsrep/backend/cuda/kernel/window.cuh", R"cuda(// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/view.cuh>

namespace umsrep::cuda::kernel {

/// A window that slides over images and makes a result at each position.
struct sliding_window {
    extents image, results;
    u32 kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
    int padding_h, padding_w;

    UMSREP_DEVICE u32 taps() const { return kernel_h * kernel_w; }

    /// The row, or column, that tap `tap` of a position looks at; -1 in the padding.
    UMSREP_DEVICE int row(u32 position, u32 tap) const { return seen(position, stride_h, tap, dilation_h, padding_h, image.h); }
    UMSREP_DEVICE int column(u32 position, u32 tap) const { return seen(position, stride_w, tap, dilation_w, padding_w, image.w); }
    /// The position whose tap `tap` looks at a row, or column, of the image; -1 where there is none.
    UMSREP_DEVICE int position_of_row(u32 y, u32 tap) const { return position(y, stride_h, tap, dilation_h, padding_h, results.h); }
    UMSREP_DEVICE int position_of_column(u32 x, u32 tap) const { return position(x, stride_w, tap, dilation_w, padding_w, results.w); }

private:
    UMSREP_DEVICE static int seen(u32 position, u32 stride, u32 tap, u32 dilation, int padding, u32 size) {
        const int at = static_cast<int>(position * stride + tap * dilation) - padding;
        return at >= 0 && at < static_cast<int>(size) ? at : -1;
    }
    UMSREP_DEVICE static int position(u32 pixel, u32 stride, u32 tap, u32 dilation, int padding, u32 positions) {
        const int distance = static_cast<int>(pixel) + padding - static_cast<int>(tap * dilation);
        if (distance < 0 || distance % static_cast<int>(stride) != 0) return -1;
        const int result = distance / static_cast<int>(stride);
        return result < static_cast<int>(positions) ? result : -1;
    }
};

} // namespace umsrep::cuda::kernel
)cuda"},
}};

} // namespace umsrep::cuda
