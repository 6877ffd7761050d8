// SPDX-License-Identifier: MIT
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
