// SPDX-License-Identifier: MIT
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
