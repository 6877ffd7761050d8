// SPDX-License-Identifier: MIT
#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <tests/backend/operation.hpp>
#include <tests/support/bits.hpp>
#include <umsrep/backend/cuda/kernel/kernels.cuh>

/// The bodies of kernels against the reference backend in double: the same numbers, once as the host's N, C, H, W, once as pixels of
/// another type. Types enter by loads and stores alone, which kernel_numbers.cpp tests: one other type is enough for each body.
namespace umsrep::test::kernel_images {

using cuda::kernel::bf16;
using cuda::kernel::extents;
using cuda::kernel::fp16;
using cuda::kernel::pixels;

/// How far results of a type may be from those in double, in units of the largest.
template <class T>
inline constexpr double tolerance = 0;
template <>
inline constexpr double tolerance<float> = 3e-6;
template <>
inline constexpr double tolerance<bf16> = 0x1p-8;
template <>
inline constexpr double tolerance<fp16> = 0x1p-11 * 1.1;

template <class T>
double as_double(T x) {
    return static_cast<double>(cuda::kernel::to_float(x));
}
template <class T>
T as_stored(double x) {
    return cuda::kernel::number<T>::from(static_cast<float>(x));
}

/// Rounds numbers to what a T can hold, so that both sides begin with the same.
template <class T>
void round_to(std::vector<double>& values) {
    for (double& v : values) v = as_double(as_stored<T>(v));
}

inline extents extents_of(int n, shape s) {
    return {static_cast<unsigned>(n), static_cast<unsigned>(s.h), static_cast<unsigned>(s.w), static_cast<unsigned>(s.c)};
}

inline cuda::kernel::sliding_window window_of(const node& n, int batch) {
    const auto u = [](int v) { return static_cast<unsigned>(v); };
    const attributes& a = n.a;
    return {extents_of(batch, n.in), extents_of(batch, n.out), u(a.kernel.h),   u(a.kernel.w), u(a.stride.h),
            u(a.stride.w),           u(a.dilation.h),          u(a.dilation.w), a.padding.h,   a.padding.w};
}

/// A slice of the channels of a wider tensor, on a boundary of 64 bytes. What is beside it holds NaN and must keep it.
struct slice {
    int stride = 0, first = 0; ///< channels of the tensor, 0: those of the image; where the image's begin
};

template <class T>
class image {
public:
    image(int n, shape s, slice where = {})
        : n_{n}, s_{s}, where_{where.stride == 0 ? s.c : where.stride, where.first},
          size_{static_cast<std::size_t>(n) * static_cast<std::size_t>(s.plane()) * static_cast<std::size_t>(where_.stride)},
          data_{static_cast<T*>(::operator new(size_ * sizeof(T), std::align_val_t{64}))} {
        std::memset(static_cast<void*>(data_.get()), 0xff, size_ * sizeof(T)); // NaN in every type
    }
    image(int n, shape s, slice where, const std::vector<double>& nchw) : image(n, s, where) {
        for_each([&](T& place, std::size_t i) { place = as_stored<T>(nchw[i]); });
    }

    std::vector<double> values() const {
        std::vector<double> nchw(static_cast<std::size_t>(n_ * s_.size()));
        const_cast<image*>(this)->for_each([&](T& place, std::size_t i) { nchw[i] = as_double(place); });
        return nchw;
    }
    bool surroundings_kept() const {
        const std::vector<unsigned char> untouched(sizeof(T), 0xff);
        for (std::size_t i = 0; i < size_; ++i) {
            const int channel = static_cast<int>(i % static_cast<std::size_t>(where_.stride)) - where_.first;
            if ((channel < 0 || channel >= s_.c) && std::memcmp(data_.get() + i, untouched.data(), sizeof(T)) != 0) return false;
        }
        return true;
    }

    pixels<T> view() { return {data_.get() + where_.first, where_.stride}; }
    pixels<const T> read() const { return {data_.get() + where_.first, where_.stride}; }

private:
    template <class Body>
    void for_each(Body body) {
        std::size_t i = 0;
        for (int n = 0; n < n_; ++n)
            for (int c = 0; c < s_.c; ++c)
                for (std::ptrdiff_t p = 0; p < s_.plane(); ++p)
                    body(data_.get()[(n * s_.plane() + p) * where_.stride + where_.first + c], i++);
    }
    struct release {
        void operator()(T* p) const { ::operator delete(p, std::align_val_t{64}); }
    };

    int n_;
    shape s_;
    slice where_;
    std::size_t size_;
    std::unique_ptr<T, release> data_;
};

/// Shapes of which kernels take `n` channels at a time, and where they lie.
template <int n>
struct layout {
    int batch;
    shape s;
    slice where;
};
template <int n>
std::vector<layout<n>> layouts() {
    if constexpr (n == 8)
        return {{2, {8, 3, 5}, {}}, {1, {24, 4, 4}, {40, 8}}, {3, {16, 1, 1}, {}}};
    else
        return {{2, {1, 3, 5}, {}}, {1, {5, 4, 4}, {9, 2}}, {3, {11, 1, 1}, {}}, {2, {3, 2, 7}, {}}};
}

/// An operation in double whose numbers a T can hold, all gradients wanted.
struct nothing_of_a_backend {
    static constexpr std::ptrdiff_t state_size(const node&, bool, bool) { return 0; }
    static constexpr std::ptrdiff_t workspace_size(const node& n, int batch, int, bool) { return 2 * std::ptrdiff_t{batch} * n.in.c; }
};

template <class T>
struct reference_of : operation<double, nothing_of_a_backend> {
    reference_of(const node& what, int samples, bool accumulate = false) : operation<double, nothing_of_a_backend>(what, samples, 1) {
        for (auto* v : {&in[0], &in[1], &grad_out, &grad_in[0], &grad_in[1]}) round_to<T>(*v);
        for (auto* v : {&weight, &bias}) round_to<float>(*v);
        o.accumulate = {accumulate, accumulate};
    }
};

/// What a body wrote is what the reference did.
template <class T>
void check_same(const image<T>& got, const std::vector<double>& expected, double factor = 1) {
    CHECK(relative_error(got.values(), expected) <= factor * tolerance<T>);
    CHECK(got.surroundings_kept());
}

} // namespace umsrep::test::kernel_images
