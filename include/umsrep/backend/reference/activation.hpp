// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

#include <umsrep/backend/operands.hpp>
#include <umsrep/backend/reference/elementwise.hpp>
#include <umsrep/backend/reference/parallel.hpp>

namespace umsrep::reference_ops {

namespace detail {
/// out = f(in), element by element; in place where the two are one.
template <class T, class F>
void map_forward(const operands<T>& o, F f) {
    for_chunks(o.pool, o.out.size(), [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
        map_elements(end - begin, false, o.out.data + begin, f, o.in[0].data + begin);
    });
}

/// grad_in = f(grad_out, kept), element by element.
template <class T, class F>
void map_backward(const operands<T>& o, const T* kept, F f) {
    if (!o.grad_in[0]) return;
    for_chunks(o.pool, o.grad_out.size(), [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
        map_elements(end - begin, o.accumulate[0], o.grad_in[0].data + begin, f, o.grad_out.data + begin, kept + begin);
    });
}

/// 1 / (1 + exp(-x)) of an Eigen array.
inline constexpr auto logistic = [](auto x) { return ((-x).exp() + typename decltype(x)::Scalar{1}).inverse(); };
} // namespace detail

template <class T>
void forward_relu(const operands<T>& o) {
    detail::map_forward(o, [](auto x) { return each([](T v) { return v < T{0} ? T{0} : v; }, x); }); // a NaN stays one
}

/// Reads out, not in.
template <class T>
void backward_relu(const operands<T>& o) {
    detail::map_backward(o, o.out.data, [](auto dy, auto y) { return each([](T d, T v) { return v > T{0} ? d : T{0}; }, dy, y); });
}

/// x for x > 0, otherwise slope x; the slope is attributes.value, positive.
template <class T>
void forward_leaky_relu(const operands<T>& o) {
    const T slope = static_cast<T>(o.n->a.value);
    detail::map_forward(o, [slope](auto x) { return each([slope](T v) { return v > T{0} ? v : slope * v; }, x); });
}

/// Reads out, whose sign is that of in.
template <class T>
void backward_leaky_relu(const operands<T>& o) {
    const T slope = static_cast<T>(o.n->a.value);
    detail::map_backward(o, o.out.data, [slope](auto dy, auto y) { return each([slope](T d, T v) { return v > T{0} ? d : slope * d; }, dy, y); });
}

/// x Phi(x), Phi the distribution function of the standard normal. Source: Hendrycks, Gimpel, arXiv 1606.08415.
template <class T>
void forward_gelu(const operands<T>& o) {
    detail::map_forward(o, [](auto x) {
        return each([](T v) { return v * std::erfc(-v / std::numbers::sqrt2_v<T>) / 2; }, x);
    });
}

/// d/dx x Phi(x) = Phi(x) + x phi(x). Reads in.
template <class T>
void backward_gelu(const operands<T>& o) {
    detail::map_backward(o, o.in[0].data, [](auto dy, auto x) {
        return each(
            [](T d, T v) {
                const T density = std::exp(-v * v / 2) * std::numbers::inv_sqrtpi_v<T> / std::numbers::sqrt2_v<T>;
                return d * (std::erfc(-v / std::numbers::sqrt2_v<T>) / 2 + v * density);
            },
            dy, x);
    });
}

/// x sigmoid(x). Source: Elfwing et al., arXiv 1702.03118.
template <class T>
void forward_silu(const operands<T>& o) {
    detail::map_forward(o, [](auto x) { return x * detail::logistic(x); });
}

/// d/dx x s(x) = s (1 + x (1 - s)). Reads in.
template <class T>
void backward_silu(const operands<T>& o) {
    detail::map_backward(o, o.in[0].data, [](auto dy, auto x) {
        const pack<T> s = detail::logistic(x);
        return pack<T>(dy * s * (x * (T{1} - s) + T{1}));
    });
}

template <class T>
void forward_sigmoid(const operands<T>& o) {
    detail::map_forward(o, detail::logistic);
}

/// d/dx s(x) = s (1 - s). Reads out.
template <class T>
void backward_sigmoid(const operands<T>& o) {
    detail::map_backward(o, o.out.data, [](auto dy, auto y) { return dy * y * (T{1} - y); });
}

namespace detail {
/// `body(first, n, distance)` for packs of n <= 16 pixels: element `first` is channel 0 of the first pixel, channels lie `distance` apart.
template <class T, class Body>
void for_pixels(thread_pool* pool, const tensor_view<T>& x, Body body) {
    constexpr std::ptrdiff_t pixels = 1024; // of one task
    const std::ptrdiff_t plane = x.s.plane(), tasks = ceil_div(plane, pixels);
    for_tasks(pool, x.n * tasks, [&](int task) {
        const std::ptrdiff_t begin = task % tasks * pixels, end = std::min(begin + pixels, plane);
        for (std::ptrdiff_t p = begin; p < end; p += pack_size)
            body(task / tasks * x.s.size() + p, std::min(pack_size, end - p), plane);
    });
}
} // namespace detail

/// exp(x_c) / sum_k exp(x_k) over the channels of every pixel.
template <class T>
void forward_softmax(const operands<T>& o) {
    const int channels = o.out.s.c;
    detail::for_pixels(o.pool, o.out, [&](std::ptrdiff_t first, std::ptrdiff_t n, std::ptrdiff_t distance) {
        const T* in = o.in[0].data + first;
        T* out = o.out.data + first;
        pack<T> largest = load(in, n), total = pack<T>::Zero();
        for (int c = 1; c < channels; ++c) largest = largest.max(load(in + c * distance, n));
        for (int c = 0; c < channels; ++c) {
            const pack<T> e = (load(in + c * distance, n) - largest).exp();
            total += e;
            store(e, out + c * distance, n);
        }
        for (int c = 0; c < channels; ++c) store<T>(load(out + c * distance, n) / total, out + c * distance, n);
    });
}

/// grad_in_c = y_c (dy_c - sum_k dy_k y_k). Reads out.
template <class T>
void backward_softmax(const operands<T>& o) {
    if (!o.grad_in[0]) return;
    const int channels = o.out.s.c;
    detail::for_pixels(o.pool, o.out, [&](std::ptrdiff_t first, std::ptrdiff_t n, std::ptrdiff_t distance) {
        const T *y = o.out.data + first, *dy = o.grad_out.data + first;
        T* to = o.grad_in[0].data + first;
        pack<T> inner = pack<T>::Zero();
        for (int c = 0; c < channels; ++c) inner += load(dy + c * distance, n) * load(y + c * distance, n);
        for (int c = 0; c < channels; ++c) {
            pack<T> g = load(y + c * distance, n) * (load(dy + c * distance, n) - inner);
            if (o.accumulate[0]) g += load(to + c * distance, n);
            store(g, to + c * distance, n);
        }
    });
}

} // namespace umsrep::reference_ops
