// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
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
template <class Visitor>
void for_each_tensor(const operation& o, Visitor&& visit) {
    struct each {
        Visitor& visit;
        void operator()(const convolution& c) const { visit("image", c.image), visit("weight", c.weight), visit("result", c.result); }
        void operator()(const pointwise& p) const {
            visit("x", p.x);
            if (p.other) visit("other", *p.other);
            visit("y", p.y);
        }
        void operator()(const resample& r) const {
            visit("image", r.image), visit("result", r.result);
            if (r.index) visit("index", *r.index);
        }
        void operator()(const norm_forward& n) const {
            visit("x", n.x), visit("scale", n.scale), visit("shift", n.shift), visit("epsilon", n.epsilon), visit("momentum", n.momentum);
            visit("running mean", n.running_mean), visit("running variance", n.running_variance), visit("y", n.y), visit("mean", n.mean);
            visit("deviation", n.deviation), visit("next running mean", n.next_running_mean);
            visit("next running variance", n.next_running_variance);
        }
        void operator()(const norm_again& n) const {
            visit("x", n.x), visit("scale", n.scale), visit("shift", n.shift), visit("mean", n.mean), visit("deviation", n.deviation);
            visit("y", n.y);
        }
        void operator()(const norm_backward& n) const {
            visit("x", n.x), visit("gradient", n.grad_y), visit("mean", n.mean), visit("deviation", n.deviation), visit("scale", n.scale);
            visit("gradient of x", n.grad_x), visit("gradient of scale", n.grad_scale), visit("gradient of shift", n.grad_shift);
        }
        void operator()(const channel_sums& r) const { visit("x", r.x), visit("y", r.y); }
    };
    std::visit(each{visit}, o);
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
