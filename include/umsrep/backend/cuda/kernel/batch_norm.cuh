// SPDX-License-Identifier: MIT
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
