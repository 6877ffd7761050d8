// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include <umsrep/backend/operands.hpp>
#include <umsrep/backend/reference/pooling.hpp>

namespace umsrep::reference_ops {

/// Every pixel becomes a block of attributes.kernel pixels.
template <class T>
void forward_upsample_nearest(const operands<T>& o) {
    const node& n = *o.n;
    detail::for_planes(o.pool, o.out, [&](int plane) {
        const T* in = o.in[0].data + plane * n.in.plane();
        T* out = o.out.data + plane * n.out.plane();
        for (int y = 0; y < n.out.h; ++y) {
            const T* line = in + std::ptrdiff_t{y / n.a.kernel.h} * n.in.w;
            for (int x = 0; x < n.in.w; ++x) out = std::fill_n(out, n.a.kernel.w, line[x]);
        }
    });
}

template <class T>
void backward_upsample_nearest(const operands<T>& o) {
    if (!o.grad_in[0]) return;
    const node& n = *o.n;
    detail::for_planes(o.pool, o.grad_out, [&](int plane) {
        const T* dy = o.grad_out.data + plane * n.out.plane();
        T* to = o.grad_in[0].data + plane * n.in.plane();
        if (!o.accumulate[0]) std::fill_n(to, n.in.plane(), T{0});
        for (int y = 0; y < n.out.h; ++y) {
            T* line = to + std::ptrdiff_t{y / n.a.kernel.h} * n.in.w;
            for (int x = 0; x < n.in.w; ++x)
                for (int i = 0; i < n.a.kernel.w; ++i) line[x] += *dy++;
        }
    });
}

namespace detail {
/// Between which two pixels a pixel of the enlarged image lies along one axis, and how much of the second it takes. Pixel centres are
/// at half integers (align_corners = false); beyond the border the border's value goes on.
template <class T>
struct between {
    int low, high;
    T share;
    constexpr between(int position, int factor, int image) {
        const T source = std::max((static_cast<T>(position) + T{0.5}) / static_cast<T>(factor) - T{0.5}, T{0});
        low = std::min(static_cast<int>(source), image - 1);
        high = std::min(low + 1, image - 1);
        share = source - static_cast<T>(low);
    }
};
} // namespace detail

/// Bilinear interpolation by the factor attributes.kernel.
template <class T>
void forward_upsample_bilinear(const operands<T>& o) {
    const node& n = *o.n;
    detail::for_planes(o.pool, o.out, [&](int plane) {
        const T* in = o.in[0].data + plane * n.in.plane();
        T* out = o.out.data + plane * n.out.plane();
        for (int y = 0; y < n.out.h; ++y) {
            const detail::between<T> v(y, n.a.kernel.h, n.in.h);
            const T *upper = in + std::ptrdiff_t{v.low} * n.in.w, *lower = in + std::ptrdiff_t{v.high} * n.in.w;
            for (int x = 0; x < n.out.w; ++x) {
                const detail::between<T> u(x, n.a.kernel.w, n.in.w);
                *out++ = (1 - v.share) * ((1 - u.share) * upper[u.low] + u.share * upper[u.high]) +
                         v.share * ((1 - u.share) * lower[u.low] + u.share * lower[u.high]);
            }
        }
    });
}

template <class T>
void backward_upsample_bilinear(const operands<T>& o) {
    if (!o.grad_in[0]) return;
    const node& n = *o.n;
    detail::for_planes(o.pool, o.grad_out, [&](int plane) {
        const T* dy = o.grad_out.data + plane * n.out.plane();
        T* to = o.grad_in[0].data + plane * n.in.plane();
        if (!o.accumulate[0]) std::fill_n(to, n.in.plane(), T{0});
        for (int y = 0; y < n.out.h; ++y) {
            const detail::between<T> v(y, n.a.kernel.h, n.in.h);
            T *upper = to + std::ptrdiff_t{v.low} * n.in.w, *lower = to + std::ptrdiff_t{v.high} * n.in.w;
            for (int x = 0; x < n.out.w; ++x) {
                const detail::between<T> u(x, n.a.kernel.w, n.in.w);
                const T g = *dy++;
                upper[u.low] += (1 - v.share) * (1 - u.share) * g;
                upper[u.high] += (1 - v.share) * u.share * g;
                lower[u.low] += v.share * (1 - u.share) * g;
                lower[u.high] += v.share * u.share * g;
            }
        }
    });
}

} // namespace umsrep::reference_ops
