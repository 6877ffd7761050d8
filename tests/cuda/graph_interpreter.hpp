// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <umsrep/backend/cuda/kernel/number.cuh>
#include <umsrep/backend/cuda/operation.hpp>

namespace umsrep::test {

/// Computes an operation graph in plain loops, by what cuDNN's documentation says of each operation and by nothing of the backend: values
/// inside a graph in the type of their tensor, what is stored rounded to its type, sums in double.
class graph_interpreter {
public:
    /// `addresses`: of each role that the graph names. Scalars that are given by value lie there as floats.
    graph_interpreter(const cuda::operation_graph& g, const std::map<cuda::role, void*>& addresses) : addresses_{addresses} {
        for (const cuda::operation& o : g.operations) std::visit([this](const auto& one) { compute(one); }, o);
    }

private:
    using values = std::vector<float>; ///< N, C, H, W, dense
    using sizes = std::array<std::int64_t, 4>;

    static std::size_t count(const sizes& s) { return static_cast<std::size_t>(s[0] * s[1] * s[2] * s[3]); }
    static std::size_t at(const sizes& s, std::int64_t n, std::int64_t c, std::int64_t y, std::int64_t x) {
        return static_cast<std::size_t>(((n * s[1] + c) * s[2] + y) * s[3] + x);
    }
    template <class F>
    static void for_each(const sizes& s, F f) {
        for (std::int64_t n = 0; n < s[0]; ++n)
            for (std::int64_t c = 0; c < s[1]; ++c)
                for (std::int64_t y = 0; y < s[2]; ++y)
                    for (std::int64_t x = 0; x < s[3]; ++x) f(n, c, y, x);
    }
    /// The element of t that stands for (n, c, y, x): one number serves a whole axis of size 1.
    static std::size_t shared(const cuda::tensor& t, std::int64_t n, std::int64_t c, std::int64_t y, std::int64_t x) {
        const auto one = [&](std::size_t k, std::int64_t i) { return t.size[k] == 1 ? 0 : i; };
        return at(t.size, one(0, n), one(1, c), one(2, y), one(3, x));
    }

    template <class T, class F>
    void for_elements(const cuda::tensor& t, F f) const {
        T* const data = static_cast<T*>(addresses_.at(static_cast<cuda::role>(t.id)));
        for_each(t.size, [&](auto n, auto c, auto y, auto x) {
            f(data[n * t.stride[0] + c * t.stride[1] + y * t.stride[2] + x * t.stride[3]], at(t.size, n, c, y, x));
        });
    }

    values read(const cuda::tensor& t) const {
        namespace kernel = cuda::kernel;
        if (t.inside) return inside_.at(t.id);
        values v(count(t.size), 0.0f);
        switch (t.type) {
            case cuda::data_type::float32:
                for_elements<const float>(t, [&](float x, std::size_t i) { v[i] = x; });
                break;
            case cuda::data_type::bfloat16:
                for_elements<const kernel::bf16>(t, [&](kernel::bf16 x, std::size_t i) { v[i] = kernel::to_float(x); });
                break;
            case cuda::data_type::float16:
                for_elements<const kernel::fp16>(t, [&](kernel::fp16 x, std::size_t i) { v[i] = kernel::to_float(x); });
                break;
            case cuda::data_type::int8:
                for_elements<const std::int8_t>(t, [&](std::int8_t x, std::size_t i) { v[i] = x; });
                break;
        }
        return v;
    }
    void write(const cuda::tensor& t, values v) {
        namespace kernel = cuda::kernel;
        if (t.inside) {
            if (t.type == cuda::data_type::bfloat16)
                for (float& x : v) x = kernel::to_float(kernel::number<kernel::bf16>::from(x));
            if (t.type == cuda::data_type::float16)
                for (float& x : v) x = kernel::to_float(kernel::number<kernel::fp16>::from(x));
            inside_[t.id] = std::move(v);
            return;
        }
        switch (t.type) {
            case cuda::data_type::float32:
                for_elements<float>(t, [&](float& x, std::size_t i) { x = v[i]; });
                break;
            case cuda::data_type::bfloat16:
                for_elements<kernel::bf16>(t, [&](kernel::bf16& x, std::size_t i) { x = kernel::number<kernel::bf16>::from(v[i]); });
                break;
            case cuda::data_type::float16:
                for_elements<kernel::fp16>(t, [&](kernel::fp16& x, std::size_t i) { x = kernel::number<kernel::fp16>::from(v[i]); });
                break;
            case cuda::data_type::int8:
                for_elements<std::int8_t>(t, [&](std::int8_t& x, std::size_t i) { x = static_cast<std::int8_t>(v[i]); });
                break;
        }
    }

    /// f(image element, weight element, result element) of every product of the map.
    template <class F>
    static void for_products(const cuda::convolution& c, F f) {
        const sizes &image = c.image.size, &weight = c.weight.size, &result = c.result.size;
        const std::int64_t per_group = weight[1], groups = image[1] / per_group, outputs = result[1] / groups;
        if (image[1] % per_group != 0 || result[1] != weight[0] || result[1] % groups != 0 || result[0] != image[0])
            throw std::logic_error("a convolution whose tensors do not fit");
        for (std::int64_t n = 0; n < result[0]; ++n)
            for (std::int64_t k = 0; k < result[1]; ++k)
                for (std::int64_t y = 0; y < result[2]; ++y)
                    for (std::int64_t a = 0; a < weight[2]; ++a) {
                        const std::int64_t row = y * c.stride.h + a * c.dilation.h - c.padding.h;
                        if (row < 0 || row >= image[2]) continue;
                        for (std::int64_t x = 0; x < result[3]; ++x)
                            for (std::int64_t b = 0; b < weight[3]; ++b) {
                                const std::int64_t column = x * c.stride.w + b * c.dilation.w - c.padding.w;
                                if (column < 0 || column >= image[3]) continue;
                                for (std::int64_t i = 0; i < per_group; ++i)
                                    f(at(image, n, k / outputs * per_group + i, row, column), at(weight, k, i, a, b),
                                      at(result, n, k, y, x));
                            }
                    }
    }
    static values rounded(const std::vector<double>& sums) { return values(sums.begin(), sums.end()); }

    void compute(const cuda::convolution& c) {
        using gives = cuda::convolution::gives;
        switch (c.what) {
            case gives::results: {
                const values image = read(c.image), weight = read(c.weight);
                std::vector<double> result(count(c.result.size), 0.0);
                for_products(c, [&](auto i, auto w, auto r) { result[r] += double(image[i]) * double(weight[w]); });
                return write(c.result, rounded(result));
            }
            case gives::images: {
                const values weight = read(c.weight), result = read(c.result);
                std::vector<double> image(count(c.image.size), 0.0);
                for_products(c, [&](auto i, auto w, auto r) { image[i] += double(weight[w]) * double(result[r]); });
                return write(c.image, rounded(image));
            }
            case gives::weights: {
                const values image = read(c.image), result = read(c.result);
                std::vector<double> weight(count(c.weight.size), 0.0);
                for_products(c, [&](auto i, auto w, auto r) { weight[w] += double(image[i]) * double(result[r]); });
                return write(c.weight, rounded(weight));
            }
        }
    }

    static float apply(cudnnPointwiseMode_t mode, float x, float other) {
        switch (mode) {
            case CUDNN_POINTWISE_ADD:
                return x + other;
            case CUDNN_POINTWISE_SUB:
                return x - other;
            case CUDNN_POINTWISE_MUL:
                return x * other;
            case CUDNN_POINTWISE_RELU_FWD:
                return x < 0 ? 0 : x;
            case CUDNN_POINTWISE_SIGMOID_FWD:
                return 1 / (1 + std::exp(-x));
            case CUDNN_POINTWISE_RELU_BWD:
                return x > 0 ? other : 0;
            default:
                throw std::logic_error("a pointwise mode that this interpreter does not know");
        }
    }
    void compute(const cuda::pointwise& p) {
        const values x = read(p.x), other = p.other ? read(*p.other) : values{};
        values y(count(p.y.size), 0.0f);
        for_each(p.y.size, [&](auto n, auto c, auto h, auto w) {
            y[at(p.y.size, n, c, h, w)] = apply(p.mode, x[shared(p.x, n, c, h, w)], p.other ? other[shared(*p.other, n, c, h, w)] : 0);
        });
        write(p.y, std::move(y));
    }

    /// f(result element, tap, image element) of every pixel under a window; windows of whole numbers.
    template <class F>
    static void for_taps(const cuda::resample& r, F f) {
        const auto whole = [](const cudnnFraction_t& v) {
            if (v.denominator != 1) throw std::logic_error("a window of fractions");
            return v.numerator;
        };
        const std::int64_t rows = whole(r.window[0]), columns = whole(r.window[1]);
        for_each(r.result.size, [&](auto n, auto c, auto y, auto x) {
            for (std::int64_t a = 0; a < rows; ++a)
                for (std::int64_t b = 0; b < columns; ++b) {
                    const std::int64_t row = y * whole(r.stride[0]) + a - whole(r.pad_before[0]),
                                       column = x * whole(r.stride[1]) + b - whole(r.pad_before[1]);
                    if (row < 0 || row >= r.image.size[2] || column < 0 || column >= r.image.size[3]) continue;
                    f(at(r.result.size, n, c, y, x), a * columns + b, at(r.image.size, n, c, row, column));
                }
        });
    }
    void compute(const cuda::resample& r) {
        const bool max = r.mode == CUDNN_RESAMPLE_MAXPOOL, exclude = r.mode == CUDNN_RESAMPLE_AVGPOOL_EXCLUDE_PADDING;
        if (!max && !exclude && r.mode != CUDNN_RESAMPLE_AVGPOOL_INCLUDE_PADDING) throw std::logic_error("no pool");
        const std::size_t results = count(r.result.size);
        std::vector<double> pixels(results, 0.0); // under each window
        const double window = static_cast<double>(r.window[0].numerator * r.window[1].numerator);
        for_taps(r, [&](auto to, auto, auto) { pixels[to] += 1; });
        const auto divisor = [&](std::size_t to) { return exclude ? pixels[to] : window; };
        if (!r.backward) {
            const values image = read(r.image);
            if (max) {
                values result(results, -std::numeric_limits<float>::infinity()), index(results, -1.0f);
                for_taps(r, [&](auto to, auto tap, auto from) {
                    if (index[to] >= 0 && !(image[from] > result[to] || image[from] != image[from])) return;
                    result[to] = image[from];
                    index[to] = static_cast<float>(tap);
                });
                if (r.index) write(*r.index, std::move(index));
                return write(r.result, std::move(result));
            }
            std::vector<double> sums(results, 0.0);
            for_taps(r, [&](auto to, auto, auto from) { sums[to] += double(image[from]); });
            for (std::size_t i = 0; i < results; ++i) sums[i] /= divisor(i);
            return write(r.result, rounded(sums));
        }
        const values gradient = read(r.result), index = r.index ? read(*r.index) : values{};
        if (max && !r.index) throw std::logic_error("a max pool backward without its index, on which cuDNN crashes");
        std::vector<double> image(count(r.image.size), 0.0);
        for_taps(r, [&](auto to, auto tap, auto from) {
            if (!max) image[from] += double(gradient[to]) / divisor(to);
            else if (static_cast<float>(tap) == index[to]) image[from] += double(gradient[to]);
        });
        write(r.image, rounded(image));
    }

    template <class F>
    static std::vector<double> per_channel(const sizes& s, F f) {
        std::vector<double> sums(static_cast<std::size_t>(s[1]), 0.0);
        for_each(s, [&](auto n, auto c, auto y, auto x) {
            sums[static_cast<std::size_t>(c)] += f(static_cast<std::size_t>(c), at(s, n, c, y, x));
        });
        return sums;
    }
    static double pixels_of(const sizes& s) { return static_cast<double>(s[0] * s[2] * s[3]); }

    void normalise(const cuda::tensor& x, const values& mean, const values& deviation, const cuda::tensor& scale, const cuda::tensor& shift,
                   const cuda::tensor& y) {
        const values in = read(x), a = read(scale), b = read(shift);
        values out(in.size(), 0.0f);
        for_each(x.size, [&](auto n, auto ch, auto h, auto w) {
            const std::size_t i = at(x.size, n, ch, h, w), c = static_cast<std::size_t>(ch);
            out[i] = (in[i] - mean[c]) * deviation[c] * a[c] + b[c];
        });
        write(y, std::move(out));
    }
    void compute(const cuda::norm_forward& n) {
        const values x = read(n.x), running_mean = read(n.running_mean), running_variance = read(n.running_variance);
        const double epsilon = double(read(n.epsilon).at(0)), momentum = double(read(n.momentum).at(0)), count = pixels_of(n.x.size);
        std::vector<double> mean = per_channel(n.x.size, [&](auto, auto i) { return double(x[i]); });
        for (double& m : mean) m /= count;
        std::vector<double> variance = per_channel(n.x.size, [&](auto c, auto i) { return std::pow(double(x[i]) - mean[c], 2); });
        values next_mean, next_variance, deviation;
        for (std::size_t c = 0; c < mean.size(); ++c) {
            deviation.push_back(static_cast<float>(1 / std::sqrt(variance[c] / count + epsilon)));
            next_mean.push_back(static_cast<float>((1 - momentum) * double(running_mean[c]) + momentum * mean[c]));
            next_variance.push_back(
                static_cast<float>((1 - momentum) * double(running_variance[c]) + momentum * variance[c] / (count - 1)));
        }
        const values means = rounded(mean);
        normalise(n.x, means, deviation, n.scale, n.shift, n.y);
        write(n.mean, means);
        write(n.deviation, deviation);
        write(n.next_running_mean, next_mean);
        write(n.next_running_variance, next_variance);
    }
    void compute(const cuda::norm_again& n) { normalise(n.x, read(n.mean), read(n.deviation), n.scale, n.shift, n.y); }
    void compute(const cuda::norm_backward& n) {
        const values x = read(n.x), dy = read(n.grad_y), mean = read(n.mean), deviation = read(n.deviation), scale = read(n.scale);
        const auto normalised = [&](std::size_t c, std::size_t i) { return (double(x[i]) - double(mean[c])) * double(deviation[c]); };
        const std::vector<double> shift_sums = per_channel(n.x.size, [&](auto, auto i) { return double(dy[i]); });
        const std::vector<double> scale_sums = per_channel(n.x.size, [&](auto c, auto i) { return double(dy[i]) * normalised(c, i); });
        values dx(x.size(), 0.0f);
        const double count = pixels_of(n.x.size);
        for_each(n.x.size, [&](auto s, auto ch, auto h, auto w) {
            const std::size_t i = at(n.x.size, s, ch, h, w), c = static_cast<std::size_t>(ch);
            dx[i] = static_cast<float>(double(scale[c]) * double(deviation[c]) *
                                       (double(dy[i]) - shift_sums[c] / count - normalised(c, i) * scale_sums[c] / count));
        });
        write(n.grad_x, std::move(dx));
        write(n.grad_scale, rounded(scale_sums));
        write(n.grad_shift, rounded(shift_sums));
    }
    void compute(const cuda::channel_sums& r) {
        const values x = read(r.x);
        std::vector<double> sums(count(r.y.size), 0.0);
        for_each(r.x.size, [&](auto n, auto c, auto h, auto w) { sums[shared(r.y, n, c, h, w)] += double(x[at(r.x.size, n, c, h, w)]); });
        write(r.y, rounded(sums));
    }

    const std::map<cuda::role, void*>& addresses_;
    std::map<std::int64_t, values> inside_;
};

} // namespace umsrep::test
