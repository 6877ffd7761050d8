// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/view.cuh>

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

} // namespace umsrep::cuda::kernel
