// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <cudnn_graph.h>

#include <umsrep/backend/cuda/tensor.hpp>

/// Operation graphs as values: what cuDNN shall compute, before any library is asked.
namespace umsrep::cuda {

/// One linear map used three ways, as in the reference backend: of images, weights and results, two give the third.
struct convolution {
    enum class gives : std::uint8_t { results, images, weights };
    gives what = gives::results;
    tensor image, weight, result;
    extent padding{0}, stride{1}, dilation{1};
};

/// y = f(x) or f(x, other), element by element; one channel's number serves all its elements. A backward mode takes the input of the
/// function forward as x and the gradient of its output as `other`, and gives the gradient of its input.
struct pointwise {
    cudnnPointwiseMode_t mode = CUDNN_POINTWISE_IDENTITY;
    tensor x;
    std::optional<tensor> other;
    tensor y;

    constexpr bool backward() const { return mode >= CUDNN_POINTWISE_RELU_BWD && mode < CUDNN_POINTWISE_CMP_EQ; }
};

/// Pooling, or enlarging by interpolation. Backward reads the gradient of `result` and writes that of `image`.
struct resample {
    bool backward = false;
    cudnnResampleMode_t mode = CUDNN_RESAMPLE_MAXPOOL;
    cudnnPaddingMode_t border = CUDNN_ZERO_PAD;
    tensor image, result;
    std::optional<tensor> index; ///< of max pooling: which pixel of the window it was
    std::array<cudnnFraction_t, 2> window{}, stride{}, pad_before{}, pad_after{};
};

/// Batch normalisation by the batch's statistics, which are kept for backward; running ones move on.
struct norm_forward {
    tensor x, scale, shift, epsilon, momentum, running_mean, running_variance;
    tensor y, mean, deviation, next_running_mean, next_running_variance; ///< deviation: 1 / sqrt(variance + epsilon)
};
/// Batch normalisation by statistics that are there already.
struct norm_again {
    tensor x, scale, shift, mean, deviation, y;
};
struct norm_backward {
    tensor x, grad_y, mean, deviation, scale;
    tensor grad_x, grad_scale, grad_shift;
};

/// y = the sums of x over every axis along which y has size 1: samples and pixels.
struct channel_sums {
    tensor x, y;
};

using operation = std::variant<convolution, pointwise, resample, norm_forward, norm_again, norm_backward, channel_sums>;

/// What cuDNN shall compute in one kernel or a few: operations in order, tied together by the tensors they share.
struct operation_graph {
    std::string name; ///< for messages: "conv + bias + relu"
    std::vector<operation> operations;
};

/// Every tensor of an operation with the word for it, in a fixed order.
template <class Operation, class Visitor>
    requires std::same_as<std::remove_const_t<Operation>, operation>
void for_each_tensor(Operation& o, Visitor&& visit) {
    std::visit(
        [&]<class One>(One& one) {
            using kind = std::remove_const_t<One>;
            if constexpr (std::is_same_v<kind, convolution>) {
                visit("image", one.image), visit("weight", one.weight), visit("result", one.result);
            } else if constexpr (std::is_same_v<kind, pointwise>) {
                visit("x", one.x);
                if (one.other) visit("other", *one.other);
                visit("y", one.y);
            } else if constexpr (std::is_same_v<kind, resample>) {
                visit("image", one.image), visit("result", one.result);
                if (one.index) visit("index", *one.index);
            } else if constexpr (std::is_same_v<kind, norm_forward>) {
                visit("x", one.x), visit("scale", one.scale), visit("shift", one.shift), visit("epsilon", one.epsilon);
                visit("momentum", one.momentum), visit("running mean", one.running_mean), visit("running variance", one.running_variance);
                visit("y", one.y), visit("mean", one.mean), visit("deviation", one.deviation);
                visit("next running mean", one.next_running_mean), visit("next running variance", one.next_running_variance);
            } else if constexpr (std::is_same_v<kind, norm_again>) {
                visit("x", one.x), visit("scale", one.scale), visit("shift", one.shift), visit("mean", one.mean);
                visit("deviation", one.deviation), visit("y", one.y);
            } else if constexpr (std::is_same_v<kind, norm_backward>) {
                visit("x", one.x), visit("gradient", one.grad_y), visit("mean", one.mean), visit("deviation", one.deviation);
                visit("scale", one.scale), visit("gradient of x", one.grad_x), visit("gradient of scale", one.grad_scale);
                visit("gradient of shift", one.grad_shift);
            } else {
                visit("x", one.x), visit("y", one.y);
            }
        },
        o);
}

/// Says of a graph that what it names by a role is a slice of the channels of wider images.
inline void make_slice(operation_graph& g, role r, int channels) {
    for (operation& o : g.operations)
        for_each_tensor(o, [&](const char*, tensor& t) {
            if (t.id != static_cast<std::int64_t>(r)) return;
            const tensor wider = images(r, 1, {channels, static_cast<int>(t.size[2]), static_cast<int>(t.size[3])}, t.type);
            t.stride = wider.stride;
        });
}

/// Where a tensor of a graph is: on the device, or on the host for those that are given by value.
struct argument {
    role what;
    void* address;
};

/// Everything that a library is told of a graph, as text: two graphs of one key are the same.
inline std::string key_of(const operation_graph& g) {
    std::string key = g.name;
    const auto put = [&](auto... numbers) { ((key += ' ' + std::to_string(numbers)), ...); };
    for (const operation& o : g.operations) {
        key += '|';
        put(o.index());
        if (const auto* c = std::get_if<convolution>(&o))
            put(int(c->what), c->padding.h, c->padding.w, c->stride.h, c->stride.w, c->dilation.h, c->dilation.w);
        if (const auto* p = std::get_if<pointwise>(&o)) put(int(p->mode));
        if (const auto* r = std::get_if<resample>(&o)) {
            put(int(r->backward), int(r->mode), int(r->border));
            for (const auto* list : {&r->window, &r->stride, &r->pad_before, &r->pad_after})
                for (const cudnnFraction_t& f : *list) put(f.numerator, f.denominator);
        }
        for_each_tensor(o, [&](const char*, const tensor& t) {
            put(t.id, int(t.type), int(t.inside), int(t.by_value));
            for (std::size_t k = 0; k < 4; ++k) put(t.size[k], t.stride[k]);
        });
    }
    return key;
}

} // namespace umsrep::cuda
