// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <umsrep/core/shape.hpp>
#include <umsrep/graph/graph.hpp>
#include <umsrep/graph/op_name.hpp>
#include <umsrep/network/lower.hpp>

namespace umsrep {

/// An encoder in words that can be compared: two encoder types whose descriptions are equal compute the same from the same weights.
struct encoder_description {
    struct stage {
        std::string name;
        shape output;                    ///< of the image that it was lowered for
        std::int64_t parameters = 0;
        std::vector<std::string> layers; ///< "0.0: conv 16, kernel 3 x 3, padding 1 x 1"
        friend bool operator==(const stage&, const stage&) = default;
    };
    shape image; ///< as declared: height and width may be `dynamic`
    std::vector<stage> stages;
    friend bool operator==(const encoder_description&, const encoder_description&) = default;
};

namespace detail {

/// Whatever of a layer is not as always.
inline std::string layer_text(const graph& g, int i) {
    const node& n = g[i];
    const attributes usual{};
    const std::string path = g.path(n), stage = "encoder." + std::string(g.stages[static_cast<std::size_t>(n.owner)].name);
    std::string text = path.size() > stage.size() ? path.substr(stage.size() + 1) + ": " : std::string();
    text += std::string(name(n.kind)) + " " + std::to_string(n.out.c);
    const auto both = [&](const char* what, extent value, extent otherwise) {
        if (value != otherwise) text += std::string(", ") + what + " " + std::to_string(value.h) + " x " + std::to_string(value.w);
    };
    const auto real = [&](const char* what, double value, double otherwise) {
        char digits[32];
        std::snprintf(digits, sizeof digits, "%.9g", value);
        if (value != otherwise) text += std::string(", ") + what + " " + digits;
    };
    both("kernel", n.a.kernel, usual.kernel);
    both("stride", n.a.stride, usual.stride);
    both("padding", n.a.padding, usual.padding);
    both("dilation", n.a.dilation, usual.dilation);
    both("output padding", n.a.output_padding, usual.output_padding);
    if (n.a.groups != usual.groups) text += ", groups " + std::to_string(n.a.groups);
    if (n.a.bias) text += ", bias";
    if (!n.a.affine) text += ", no affine";
    if (!n.a.count_include_pad) text += ", exclude pad";
    real("value", n.a.value, usual.value);
    real("momentum", n.a.momentum, usual.momentum);
    for (const int input : n.inputs)
        if (input >= 0 && input != i - 1) text += ", from " + g.path(g[input]);
    return text;
}

} // namespace detail

/// Of the encoder of a lowered network; `declared`: its image as the type has it.
inline encoder_description describe_encoder(const graph& g, shape declared) {
    encoder_description result{declared, {}};
    for (const stage_info& s : g.stages) {
        encoder_description::stage& to = result.stages.emplace_back();
        to.name = s.name;
        to.output = g[s.output].out;
        for (int i = s.first; i < s.last; ++i) {
            to.layers.push_back(detail::layer_text(g, i));
            to.parameters += g[i].weight.size + g[i].bias.size;
        }
    }
    return result;
}

/// The same of a network type; where its image is dynamic, stages have the sizes of the image that the type is checked with.
template <class Net>
encoder_description describe_encoder() {
    return describe_encoder(lower<Net>(), network_traits<Net>::declared_image);
}

/// Where two encoders part.
struct encoder_difference {
    std::string where, expected, got; ///< where: "image", "stage 'e3'", "stage 'e3', layer 2"; empty: nowhere
    explicit operator bool() const { return !where.empty(); }
};

/// The first stage that differs, and what of it.
inline encoder_difference first_difference(const encoder_description& expected, const encoder_description& got) {
    const auto number = [](int n) { return n == dynamic ? std::string("any") : std::to_string(n); };
    const auto text = [&](shape s) { return number(s.c) + " x " + number(s.h) + " x " + number(s.w); };
    if (expected.image != got.image) return {"image", text(expected.image), text(got.image)};
    for (std::size_t s = 0; s < std::max(expected.stages.size(), got.stages.size()); ++s) {
        const auto* const a = s < expected.stages.size() ? &expected.stages[s] : nullptr;
        const auto* const b = s < got.stages.size() ? &got.stages[s] : nullptr;
        if (a == nullptr) return {"stage '" + b->name + "'", "no such stage", "one"};
        const std::string where = "stage '" + a->name + "'";
        if (b == nullptr) return {where, "to be there", "no such stage"};
        if (a->name != b->name) return {"stage " + std::to_string(s + 1), "'" + a->name + "'", "'" + b->name + "'"};
        for (std::size_t l = 0; l < std::max(a->layers.size(), b->layers.size()); ++l) {
            const auto layer = [l](const encoder_description::stage& of) {
                return l < of.layers.size() ? "'" + of.layers[l] + "'" : std::string("no layer");
            };
            if (layer(*a) != layer(*b)) return {where + ", layer " + std::to_string(l + 1), layer(*a), layer(*b)};
        }
        if (a->output != b->output) return {where, "output " + text(a->output), text(b->output)};
        if (a->parameters != b->parameters) return {where, std::to_string(a->parameters) + " parameters", std::to_string(b->parameters)};
    }
    return {};
}

} // namespace umsrep
