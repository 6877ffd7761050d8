// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <umsrep/core/error.hpp>
#include <umsrep/core/shape.hpp>
#include <umsrep/backend/cuda/data_type.hpp>

namespace umsrep::cuda {

/// What a tensor is to an operation graph. A plan is executed with one address for each role that its graph names.
enum class role : std::int64_t {
    input = 1, output, weight, bias, skip,
    grad_output, grad_input, grad_weight, grad_bias, grad_skip,
    mean, deviation, running_mean, running_variance, next_running_mean, next_running_variance,
    epsilon, momentum, index, ///< `name` knows them all
    intermediate = 100, ///< and those behind it: values inside a graph, which are nowhere in memory
};

inline std::string_view name(role r) {
    constexpr std::array<std::string_view, 20> names{"",           "input",       "output",    "weight",    "bias",         "skip",
                                                     "grad_output", "grad_input", "grad_weight", "grad_bias", "grad_skip", "mean",
                                                     "deviation",  "running_mean", "running_variance", "next_running_mean",
                                                     "next_running_variance", "epsilon", "momentum", "index"};
    const auto i = static_cast<std::size_t>(r);
    return i < names.size() ? names[i] : "intermediate";
}

/// A tensor of an operation graph: where its elements lie relative to an address that is given later. Plain data.
struct tensor {
    std::int64_t id = 0;
    std::array<std::int64_t, 4> size{};   ///< N, C, H, W; of a weight: outputs, inputs per group, height, width
    std::array<std::int64_t, 4> stride{}; ///< elements from one to the next
    data_type type = data_type::float32;
    bool inside = false;                  ///< an intermediate of its graph
    bool by_value = false;                ///< a scalar on the host, read when the plan is executed

    /// Elements from the first to the last, with what lies between them.
    constexpr std::int64_t extent_in_memory() const {
        std::int64_t last = 0;
        for (std::size_t k = 0; k < 4; ++k) last += (size[k] - 1) * stride[k];
        return last + 1;
    }

    friend bool operator==(const tensor&, const tensor&) = default;
};

/// "32x64x56x56 bf16"
inline std::string text(const tensor& t) {
    std::string s;
    for (const std::int64_t n : t.size) s += (s.empty() ? "" : "x") + std::to_string(n);
    return s + " " + std::string(name(t.type));
}

/// N images of a shape in NHWC. `channels`: of the tensor that these are a slice of; 0: their own. A slice of a wider tensor reads and
/// writes between the channels of others, so a concatenation needs no copy. Throws shape_mismatch where a size is not positive or the
/// slice is wider than the whole.
inline tensor images(role r, int n, shape s, data_type type, int channels = 0) {
    const std::int64_t pitch = channels > 0 ? channels : s.c;
    if (n <= 0 || s.c <= 0 || s.h <= 0 || s.w <= 0 || pitch < s.c)
        throw shape_mismatch("cuda tensor", "positive sizes and at most " + std::to_string(pitch) + " channels",
                             std::to_string(n) + "x" + std::to_string(s.c) + "x" + std::to_string(s.h) + "x" + std::to_string(s.w));
    return {static_cast<std::int64_t>(r), {n, s.c, s.h, s.w}, {pitch * s.h * s.w, 1, pitch * s.w, pitch}, type};
}

/// Weights (outputs, inputs per group, kernel height, kernel width), the inputs innermost.
inline tensor weights(role r, int outputs, int inputs, extent kernel, data_type type) {
    return images(r, outputs, {inputs, kernel.h, kernel.w}, type);
}

/// One number for each channel, fp32 unless said otherwise: 1 x C x 1 x 1.
inline tensor per_channel(role r, int channels, data_type type = data_type::float32) { return images(r, 1, {channels, 1, 1}, type); }

/// A number that is given by value, fp32.
inline tensor scalar(role r) {
    tensor t = per_channel(r, 1);
    t.by_value = true;
    return t;
}

/// The `k`-th value inside a graph, of the size of another tensor, in fp32.
inline tensor intermediate(int k, const tensor& like) {
    tensor t = images(role::intermediate, static_cast<int>(like.size[0]),
                      {static_cast<int>(like.size[1]), static_cast<int>(like.size[2]), static_cast<int>(like.size[3])}, data_type::float32);
    t.id += k;
    t.inside = true;
    return t;
}

} // namespace umsrep::cuda
