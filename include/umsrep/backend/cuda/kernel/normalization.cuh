// SPDX-License-Identifier: MIT
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
