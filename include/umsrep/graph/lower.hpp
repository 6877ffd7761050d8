// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <initializer_list>
#include <type_traits>

#include <umsrep/core/type_name.hpp>
#include <umsrep/graph/builder.hpp>
#include <umsrep/layer/activation.hpp>
#include <umsrep/layer/combination.hpp>
#include <umsrep/layer/convolution.hpp>
#include <umsrep/layer/dense.hpp>
#include <umsrep/layer/dropout.hpp>
#include <umsrep/layer/normalization.hpp>
#include <umsrep/layer/pooling.hpp>
#include <umsrep/layer/resampling.hpp>

/// From layer types to nodes: one overload of `lower_layer(builder, x, Layer{})` per layer. It appends the layer's nodes behind node
/// `x` and gives the number of the last one. A type derived from a layer lowers as that layer; a type of one's own needs only an
/// overload in its own namespace.
namespace umsrep {

namespace detail {

template <template <auto> class Option, class T>
inline constexpr bool is_option = false;
template <template <auto> class Option, auto V>
inline constexpr bool is_option<Option, Option<V>> = true;

/// The value of `Option<...>` among `Options`, or the fallback.
template <template <auto> class Option, class... Options, class Value>
constexpr Value option_or(Value fallback) {
    ((void)[&] {
        if constexpr (is_option<Option, Options>) fallback = Options::value;
    }(), ...);
    return fallback;
}

template <class Wanted, class... Options>
inline constexpr bool has = (std::is_same_v<Wanted, Options> || ...);

/// Records the first of `Options` that the layer does not know.
template <class... Options>
constexpr void check_options(graph_builder& b, [[maybe_unused]] std::string_view layer, std::initializer_list<bool> known) {
    [[maybe_unused]] const bool* option = known.begin();
    ((void)[&] {
        if (*option++) return;
        b.fail(misfit_kind::wrong_type, layer, sentence("it has no option ", short_name<48>(type_name<Options>()).view()).view(), {}, {});
    }(), ...);
}
/// Records groups that do not divide the channels on either side, and mends them, so that lowering goes on.
constexpr void check_groups(graph_builder& b, std::string_view layer, attributes& a, int in, int out) {
    if (a.groups > 0 && in % a.groups == 0 && out % a.groups == 0) return;
    if (a.groups <= 0) b.fail(misfit_kind::option, layer, sentence("expected one group or more, got ", a.groups).view(), {}, {});
    else if (in % a.groups != 0) b.fail(misfit_kind::channels, sentence(layer, " input").view(), {}, {a.groups, 0, 0}, {in, 0, 0});
    else b.fail(misfit_kind::channels, sentence(layer, " output").view(), {}, {a.groups, 0, 0}, {out, 0, 0});
    a.groups = 1;
}
constexpr void check_positive(graph_builder& b, std::string_view layer, std::string_view what, int value) {
    if (value <= 0) b.fail(misfit_kind::option, layer, sentence("expected positive ", what, ", got ", value).view(), {}, {});
}
constexpr void check_positive(graph_builder& b, std::string_view layer, std::string_view what, extent value) {
    check_positive(b, layer, what, value.h);
    check_positive(b, layer, what, value.w);
}
/// Kernel, stride, dilation and padding of a sliding window.
constexpr void check_window(graph_builder& b, std::string_view layer, const attributes& a) {
    check_positive(b, layer, "kernel", a.kernel);
    check_positive(b, layer, "stride", a.stride);
    check_positive(b, layer, "dilation", a.dilation);
    if (const int least = std::min(a.padding.h, a.padding.w); least < 0)
        b.fail(misfit_kind::option, layer, sentence("expected padding of 0 or more, got ", least).view(), {}, {});
}

constexpr int slide(int size, int kernel, int stride, int padding, int dilation) {
    const int room = size + 2 * padding - dilation * (kernel - 1) - 1;
    return room < 0 || stride <= 0 ? 0 : room / stride + 1;
}

/// Output size of a sliding window; records a misfit and pretends 1 x 1 where the window does not fit.
constexpr shape slide(graph_builder& b, std::string_view layer, shape in, int channels, const attributes& a) {
    check_window(b, layer, a);
    const shape out{channels, slide(in.h, a.kernel.h, a.stride.h, a.padding.h, a.dilation.h),
                    slide(in.w, a.kernel.w, a.stride.w, a.padding.w, a.dilation.w)};
    if (out.h > 0 && out.w > 0) return out;
    b.fail(misfit_kind::window, layer, "window larger than image",
           {in.c, a.dilation.h * (a.kernel.h - 1) + 1, a.dilation.w * (a.kernel.w - 1) + 1},
           {in.c, in.h + 2 * a.padding.h, in.w + 2 * a.padding.w});
    return {channels, 1, 1};
}

constexpr int append(graph_builder& b, int x, op kind, shape out, attributes a = {}) {
    node n{};
    n.kind = kind;
    n.inputs = {x, -1};
    n.out = out;
    n.a = a;
    return b.append(n);
}

constexpr int append_pair(graph_builder& b, op kind, std::string_view layer, int x, int y) {
    const shape s = b.shape_of(x), t = b.shape_of(y);
    const bool fits = s.h == t.h && s.w == t.w && (kind == op::concat || s.c == t.c);
    if (!fits) b.fail(misfit_kind::shape, layer, {}, kind == op::add ? t : shape{s.c, t.h, t.w}, s);
    node n{};
    n.kind = kind;
    n.inputs = {x, y};
    n.out = kind == op::concat ? shape{s.c + t.c, s.h, s.w} : s;
    return b.append(n);
}

} // namespace detail

// ---- convolution

template <int Out, extent Kernel, class... Options>
constexpr int lower_layer(graph_builder& b, int x, conv<Out, Kernel, Options...>) {
    constexpr bool pads = (detail::is_option<padding, Options> || ...);
    const shape in = b.shape_of(x);
    attributes a{};
    a.kernel = Kernel;
    a.stride = detail::option_or<stride, Options...>(extent{1});
    a.dilation = detail::option_or<dilation, Options...>(extent{1});
    a.padding = detail::option_or<padding, Options...>(
        extent{a.dilation.h * (Kernel.h - 1) / 2, a.dilation.w * (Kernel.w - 1) / 2});
    a.groups = detail::option_or<groups, Options...>(1);
    a.bias = !detail::has<no_bias, Options...>;
    detail::check_options<Options...>(b, "conv", {(detail::is_option<stride, Options> || detail::is_option<padding, Options> ||
        detail::is_option<dilation, Options> || detail::is_option<groups, Options> || std::is_same_v<no_bias, Options>)...});
    detail::check_positive(b, "conv", "channels", Out);
    detail::check_groups(b, "conv", a, in.c, Out);
    if (!pads && (Kernel.h % 2 == 0 || Kernel.w % 2 == 0))
        b.fail(misfit_kind::option, "conv", sentence("even kernel ", Kernel.h, " x ", Kernel.w, " needs a padding").view(), {}, in);
    node n{};
    n.kind = op::conv;
    n.inputs = {x, -1};
    n.out = detail::slide(b, "conv", in, Out, a);
    n.a = a;
    const std::ptrdiff_t per_output = std::ptrdiff_t{in.c / a.groups} * Kernel.h * Kernel.w;
    return b.append(n, Out * per_output, a.bias ? Out : 0);
}

template <int Out, extent Kernel, class... Options>
constexpr int lower_layer(graph_builder& b, int x, conv_transpose<Out, Kernel, Options...>) {
    const shape in = b.shape_of(x);
    attributes a{};
    a.kernel = Kernel;
    a.stride = detail::option_or<stride, Options...>(extent{1});
    a.dilation = detail::option_or<dilation, Options...>(extent{1});
    a.padding = detail::option_or<padding, Options...>(extent{0});
    a.output_padding = detail::option_or<output_padding, Options...>(extent{0});
    a.groups = detail::option_or<groups, Options...>(1);
    a.bias = !detail::has<no_bias, Options...>;
    detail::check_options<Options...>(b, "conv_transpose", {(detail::is_option<stride, Options> ||
        detail::is_option<padding, Options> || detail::is_option<dilation, Options> || detail::is_option<output_padding, Options> ||
        detail::is_option<groups, Options> || std::is_same_v<no_bias, Options>)...});
    detail::check_positive(b, "conv_transpose", "channels", Out);
    detail::check_window(b, "conv_transpose", a);
    detail::check_groups(b, "conv_transpose", a, in.c, Out);
    if (std::min(a.output_padding.h, a.output_padding.w) < 0 || a.output_padding.h >= std::max(a.stride.h, a.dilation.h) ||
        a.output_padding.w >= std::max(a.stride.w, a.dilation.w))
        b.fail(misfit_kind::option, "conv_transpose", "output_padding not below stride", {}, in);
    shape out{Out, (in.h - 1) * a.stride.h - 2 * a.padding.h + a.dilation.h * (Kernel.h - 1) + a.output_padding.h + 1,
              (in.w - 1) * a.stride.w - 2 * a.padding.w + a.dilation.w * (Kernel.w - 1) + a.output_padding.w + 1};
    if (out.h <= 0 || out.w <= 0) {
        b.fail(misfit_kind::option, "conv_transpose", "padding leaves no output", {}, out);
        out = {Out, 1, 1};
    }
    node n{};
    n.kind = op::conv_transpose;
    n.inputs = {x, -1};
    n.out = out;
    n.a = a;
    const std::ptrdiff_t per_input = std::ptrdiff_t{Out / a.groups} * Kernel.h * Kernel.w;
    return b.append(n, in.c * per_input, a.bias ? Out : 0);
}

// ---- normalisation

template <class... Options>
constexpr int lower_layer(graph_builder& b, int x, batch_norm_with<Options...>) {
    detail::check_options<Options...>(b, "batch_norm", {(detail::is_option<epsilon, Options> ||
        detail::is_option<momentum, Options> || std::is_same_v<no_affine, Options>)...});
    node n{};
    n.kind = op::batch_norm;
    n.inputs = {x, -1};
    n.out = b.shape_of(x);
    n.a.value = detail::option_or<epsilon, Options...>(1e-5);
    n.a.momentum = detail::option_or<momentum, Options...>(0.1);
    n.a.affine = !detail::has<no_affine, Options...>;
    const int parameters = n.a.affine ? n.out.c : 0;
    return b.append(n, parameters, parameters, n.out.c);
}

namespace detail {
template <class... Options>
constexpr int append_group_norm(graph_builder& b, int x, int groups, std::string_view layer) {
    const shape in = b.shape_of(x);
    node n{};
    n.kind = op::group_norm;
    n.inputs = {x, -1};
    n.out = in;
    n.a.groups = groups;
    check_options<Options...>(b, layer, {(is_option<epsilon, Options> || std::is_same_v<no_affine, Options>)...});
    check_groups(b, layer, n.a, in.c, in.c);
    n.a.value = option_or<epsilon, Options...>(1e-5);
    n.a.affine = !has<no_affine, Options...>;
    const int parameters = n.a.affine ? in.c : 0;
    return b.append(n, parameters, parameters);
}
} // namespace detail

template <int Groups, class... Options>
constexpr int lower_layer(graph_builder& b, int x, group_norm<Groups, Options...>) {
    return detail::append_group_norm<Options...>(b, x, Groups, "group_norm");
}
template <class... Options>
constexpr int lower_layer(graph_builder& b, int x, instance_norm_with<Options...>) {
    return detail::append_group_norm<Options...>(b, x, b.shape_of(x).c, "instance_norm");
}

// ---- activation, dropout

constexpr int lower_layer(graph_builder& b, int x, relu) { return detail::append(b, x, op::relu, b.shape_of(x)); }
constexpr int lower_layer(graph_builder& b, int x, gelu) { return detail::append(b, x, op::gelu, b.shape_of(x)); }
constexpr int lower_layer(graph_builder& b, int x, silu) { return detail::append(b, x, op::silu, b.shape_of(x)); }
constexpr int lower_layer(graph_builder& b, int x, sigmoid) { return detail::append(b, x, op::sigmoid, b.shape_of(x)); }
constexpr int lower_layer(graph_builder& b, int x, softmax) { return detail::append(b, x, op::softmax, b.shape_of(x)); }
template <real Slope>
constexpr int lower_layer(graph_builder& b, int x, leaky_relu_with<Slope>) {
    if (!(Slope.value > 0))
        b.fail(misfit_kind::option, "leaky_relu", sentence("expected a slope above 0, got ", Slope.value).view(), {}, b.shape_of(x));
    attributes a{};
    a.value = Slope.value;
    return detail::append(b, x, op::leaky_relu, b.shape_of(x), a);
}
template <real Probability>
constexpr int lower_layer(graph_builder& b, int x, dropout<Probability>) {
    if (!(Probability.value >= 0 && Probability.value < 1))
        b.fail(misfit_kind::option, "dropout", sentence("probability ", Probability.value, " is not in [0, 1)").view(), {},
               b.shape_of(x));
    attributes a{};
    a.value = Probability.value;
    return detail::append(b, x, op::dropout, b.shape_of(x), a);
}

// ---- pooling, resampling, dense

namespace detail {
template <class... Options>
constexpr int append_pool(graph_builder& b, int x, op kind, extent window, std::string_view layer) {
    attributes a{};
    a.kernel = window;
    a.stride = option_or<stride, Options...>(window);
    a.padding = option_or<padding, Options...>(extent{0});
    a.count_include_pad = !has<exclude_pad, Options...>;
    check_options<Options...>(b, layer, {(is_option<stride, Options> || is_option<padding, Options> ||
        (kind == op::avg_pool && std::is_same_v<exclude_pad, Options>))...});
    if (2 * a.padding.h > window.h || 2 * a.padding.w > window.w)
        b.fail(misfit_kind::option, layer, "padding above half the window", {}, b.shape_of(x));
    return append(b, x, kind, slide(b, layer, b.shape_of(x), b.shape_of(x).c, a), a);
}
constexpr int append_upsample(graph_builder& b, int x, op kind, extent factor, std::string_view layer) {
    const shape in = b.shape_of(x);
    check_positive(b, layer, "factor", factor);
    attributes a{};
    a.kernel = factor;
    return append(b, x, kind, {in.c, in.h * factor.h, in.w * factor.w}, a);
}
} // namespace detail

template <extent Window, class... Options>
constexpr int lower_layer(graph_builder& b, int x, max_pool<Window, Options...>) {
    return detail::append_pool<Options...>(b, x, op::max_pool, Window, "max_pool");
}
template <extent Window, class... Options>
constexpr int lower_layer(graph_builder& b, int x, avg_pool<Window, Options...>) {
    return detail::append_pool<Options...>(b, x, op::avg_pool, Window, "avg_pool");
}
constexpr int lower_layer(graph_builder& b, int x, global_avg_pool) {
    return detail::append(b, x, op::global_avg_pool, {b.shape_of(x).c, 1, 1});
}
constexpr int lower_layer(graph_builder& b, int x, global_max_pool) {
    attributes a{}; // one window, as large as the image
    const shape in = b.shape_of(x);
    a.kernel = a.stride = extent{in.h, in.w};
    return detail::append(b, x, op::max_pool, {in.c, 1, 1}, a);
}
template <extent Factor>
constexpr int lower_layer(graph_builder& b, int x, upsample_nearest<Factor>) {
    return detail::append_upsample(b, x, op::upsample_nearest, Factor, "upsample_nearest");
}
template <extent Factor>
constexpr int lower_layer(graph_builder& b, int x, upsample_bilinear<Factor>) {
    return detail::append_upsample(b, x, op::upsample_bilinear, Factor, "upsample_bilinear");
}
template <int Out, class... Options>
constexpr int lower_layer(graph_builder& b, int x, linear<Out, Options...>) {
    const shape in = b.shape_of(x);
    detail::check_options<Options...>(b, "linear", {std::is_same_v<no_bias, Options>...});
    detail::check_positive(b, "linear", "features", Out);
    if (b.size_is_dynamic() && in.plane() != 1)
        b.fail(misfit_kind::dynamic_size, "linear", "needs fixed size or global pooling", {in.c, 1, 1}, in);
    node n{};
    n.kind = op::linear;
    n.inputs = {x, -1};
    n.out = {Out, 1, 1};
    n.a.bias = !detail::has<no_bias, Options...>;
    return b.append(n, Out * in.size(), n.a.bias ? Out : 0);
}

// ---- combination

constexpr int lower_layer(graph_builder&, int x, identity) { return x; }

template <fixed_string Name>
constexpr int lower_layer(graph_builder& b, int x, tap<Name>) {
    b.remember(Name, x);
    return x;
}
template <fixed_string Name>
constexpr int lower_layer(graph_builder& b, int x, concat<Name>) {
    const int other = b.recall(Name, "concat");
    return other < 0 ? x : detail::append_pair(b, op::concat, "concat", x, other);
}
template <fixed_string Name>
constexpr int lower_layer(graph_builder& b, int x, add<Name>) {
    const int other = b.recall(Name, "add");
    return other < 0 ? x : detail::append_pair(b, op::add, "add", x, other);
}

/// What may stand in `seq`, in a stage and in a head's body: a type for which there is a `lower_layer`.
template <class Layer>
concept is_layer = std::default_initializable<Layer> && requires(graph_builder& b, Layer layer) {
    { lower_layer(b, 0, layer) } -> std::same_as<int>;
};

/// Lowers a layer, or records that the type is none.
template <class Layer>
constexpr int lower_type(graph_builder& b, int x) {
    if constexpr (is_layer<Layer>) return lower_layer(b, x, Layer{});
    else {
        b.fail(misfit_kind::wrong_type, {}, sentence(short_name<48>(type_name<Layer>()).view(), " is no layer").view(), {}, {});
        return x;
    }
}

namespace detail {

/// A layer under its index in what stands around it, or under the name it has been given.
template <class Layer>
struct child {
    static constexpr int lower(graph_builder& b, int x, int index) {
        return b.in(index, [&] { return lower_type<Layer>(b, x); });
    }
};
template <fixed_string Name, class Layer>
struct child<named<Name, Layer>> {
    static constexpr int lower(graph_builder& b, int x, int) {
        return b.in(Name, [&] { return lower_type<Layer>(b, x); });
    }
};
template <class Layer>
struct child<unnamed<Layer>> {
    static constexpr int lower(graph_builder& b, int x, int) { return lower_type<Layer>(b, x); }
};
template <int First, class... Layers>
struct child<numbered<First, Layers...>> {
    static constexpr int lower(graph_builder& b, int x, int) {
        int index = First;
        ((x = child<Layers>::lower(b, x, index++)), ...);
        return x;
    }
};

} // namespace detail

template <class... Layers>
constexpr int lower_layer(graph_builder& b, int x, seq<Layers...>) {
    int index = 0;
    ((x = detail::child<Layers>::lower(b, x, index++)), ...);
    return x;
}
template <fixed_string Name, class Layer>
constexpr int lower_layer(graph_builder& b, int x, named<Name, Layer>) {
    return detail::child<named<Name, Layer>>::lower(b, x, 0);
}
template <class Layer>
constexpr int lower_layer(graph_builder& b, int x, unnamed<Layer>) {
    return lower_type<Layer>(b, x);
}
template <int First, class... Layers>
constexpr int lower_layer(graph_builder& b, int x, numbered<First, Layers...>) {
    return detail::child<numbered<First, Layers...>>::lower(b, x, 0);
}

namespace detail {
template <class... Branches>
constexpr int lower_branches(graph_builder& b, int x, op kind, std::string_view layer) {
    int index = 0, joined = -1;
    ((void)[&] {
        const int end = child<Branches>::lower(b, x, index++);
        joined = joined < 0 ? end : append_pair(b, kind, layer, joined, end);
    }(), ...);
    return joined < 0 ? x : joined;
}
} // namespace detail

template <class... Branches>
constexpr int lower_layer(graph_builder& b, int x, sum_of<Branches...>) {
    return detail::lower_branches<Branches...>(b, x, op::add, "sum_of");
}
template <class... Branches>
constexpr int lower_layer(graph_builder& b, int x, concat_of<Branches...>) {
    return detail::lower_branches<Branches...>(b, x, op::concat, "concat_of");
}

} // namespace umsrep
