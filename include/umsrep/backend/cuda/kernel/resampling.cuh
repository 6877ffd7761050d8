// SPDX-License-Identifier: MIT
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
