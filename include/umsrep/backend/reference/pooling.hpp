// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include <umsrep/backend/operands.hpp>
#include <umsrep/backend/reference/elementwise.hpp>
#include <umsrep/backend/reference/parallel.hpp>

namespace umsrep::reference_ops {

namespace detail {
/// `body(i)` for every plane of the batch, i = sample * channels + channel.
template <class T, class Body>
void for_planes(thread_pool* pool, const tensor_view<T>& x, Body body) {
    for_tasks(pool, std::ptrdiff_t{x.n} * x.s.c, body);
}

/// The taps of a window that fall inside of the image along one axis: pixels first, first + dilation, ... < last.
struct pooled {
    int first, last;
    constexpr pooled(int position, int stride, int padding, int kernel, int dilation, int image) : first{position * stride - padding}, last{0} {
        last = std::min(first + (kernel - 1) * dilation + 1, image);
        if (first < 0) first += (-first + dilation - 1) / dilation * dilation;
    }
};

/// Where the largest pixel under a window is: the first one in row-major order; a NaN counts as the largest.
template <class T>
std::ptrdiff_t largest(const T* image, int width, pooled ys, pooled xs, extent dilation) {
    std::ptrdiff_t where = std::ptrdiff_t{ys.first} * width + xs.first;
    for (int y = ys.first; y < ys.last; y += dilation.h)
        for (int x = xs.first; x < xs.last; x += dilation.w) {
            const std::ptrdiff_t at = std::ptrdiff_t{y} * width + x;
            const bool larger = (image[at] > image[where]) | (image[at] != image[at]);
            where += (at - where) * larger; // no branch: images make them mispredict
        }
    return where;
}

/// `body(position, ys, xs)` for every position of one plane.
template <class Body>
void for_windows(const node& n, Body body) {
    const attributes& a = n.a;
    for (int y = 0; y < n.out.h; ++y) {
        const pooled ys(y, a.stride.h, a.padding.h, a.kernel.h, a.dilation.h, n.in.h);
        for (int x = 0; x < n.out.w; ++x)
            body(std::ptrdiff_t{y} * n.out.w + x, ys, pooled(x, a.stride.w, a.padding.w, a.kernel.w, a.dilation.w, n.in.w));
    }
}

constexpr int covered(const attributes& a, pooled ys, pooled xs) {
    return a.count_include_pad ? a.kernel.h * a.kernel.w : (ys.last - ys.first) * (xs.last - xs.first);
}
} // namespace detail

/// The largest pixel under each window; padding never wins.
template <class T>
void forward_max_pool(const operands<T>& o) {
    const node& n = *o.n;
    detail::for_planes(o.pool, o.out, [&](int plane) {
        const T* in = o.in[0].data + plane * n.in.plane();
        T* out = o.out.data + plane * n.out.plane();
        detail::for_windows(n, [&](std::ptrdiff_t position, detail::pooled ys, detail::pooled xs) {
            out[position] = in[detail::largest(in, n.in.w, ys, xs, n.a.dilation)];
        });
    });
}

/// Each gradient goes to the pixel that was the largest, found again in in[0].
template <class T>
void backward_max_pool(const operands<T>& o) {
    if (!o.grad_in[0]) return;
    const node& n = *o.n;
    detail::for_planes(o.pool, o.grad_out, [&](int plane) {
        const T *in = o.in[0].data + plane * n.in.plane(), *dy = o.grad_out.data + plane * n.out.plane();
        T* to = o.grad_in[0].data + plane * n.in.plane();
        if (!o.accumulate[0]) std::fill_n(to, n.in.plane(), T{0});
        detail::for_windows(n, [&](std::ptrdiff_t position, detail::pooled ys, detail::pooled xs) {
            to[detail::largest(in, n.in.w, ys, xs, n.a.dilation)] += dy[position];
        });
    });
}

/// The mean under each window; with count_include_pad the zeros of the padding count.
template <class T>
void forward_avg_pool(const operands<T>& o) {
    const node& n = *o.n;
    detail::for_planes(o.pool, o.out, [&](int plane) {
        const T* in = o.in[0].data + plane * n.in.plane();
        T* out = o.out.data + plane * n.out.plane();
        detail::for_windows(n, [&](std::ptrdiff_t position, detail::pooled ys, detail::pooled xs) {
            T total = 0;
            for (int y = ys.first; y < ys.last; ++y)
                for (int x = xs.first; x < xs.last; ++x) total += in[std::ptrdiff_t{y} * n.in.w + x];
            out[position] = total / static_cast<T>(detail::covered(n.a, ys, xs));
        });
    });
}

template <class T>
void backward_avg_pool(const operands<T>& o) {
    if (!o.grad_in[0]) return;
    const node& n = *o.n;
    detail::for_planes(o.pool, o.grad_out, [&](int plane) {
        const T* dy = o.grad_out.data + plane * n.out.plane();
        T* to = o.grad_in[0].data + plane * n.in.plane();
        if (!o.accumulate[0]) std::fill_n(to, n.in.plane(), T{0});
        detail::for_windows(n, [&](std::ptrdiff_t position, detail::pooled ys, detail::pooled xs) {
            const T share = dy[position] / static_cast<T>(detail::covered(n.a, ys, xs));
            for (int y = ys.first; y < ys.last; ++y)
                for (int x = xs.first; x < xs.last; ++x) to[std::ptrdiff_t{y} * n.in.w + x] += share;
        });
    });
}

/// The mean of each plane.
template <class T>
void forward_global_avg_pool(const operands<T>& o) {
    const std::ptrdiff_t size = o.n->in.plane();
    detail::for_planes(o.pool, o.out, [&](int plane) {
        o.out.data[plane] = static_cast<T>(sum(size, o.in[0].data + plane * size) / static_cast<wide<T>>(size));
    });
}

template <class T>
void backward_global_avg_pool(const operands<T>& o) {
    if (!o.grad_in[0]) return;
    const std::ptrdiff_t size = o.n->in.plane();
    detail::for_planes(o.pool, o.grad_out, [&](int plane) {
        const T share = o.grad_out.data[plane] / static_cast<T>(size);
        T* to = o.grad_in[0].data + plane * size;
        for (std::ptrdiff_t i = 0; i < size; ++i) to[i] = o.accumulate[0] ? to[i] + share : share;
    });
}

} // namespace umsrep::reference_ops
