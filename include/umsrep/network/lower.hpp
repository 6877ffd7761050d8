// SPDX-License-Identifier: MIT
#pragma once

#include <tuple>
#include <type_traits>

#include <umsrep/graph/lower.hpp>
#include <umsrep/loss/target.hpp>
#include <umsrep/network/description.hpp>

namespace umsrep {

namespace detail {

/// Stands in for a dynamic height or width while the types are checked: large and a power of two, so that only misfits that every
/// size would have are found.
inline constexpr int example_size = 512;

template <class Option>
inline constexpr bool is_from = false;
template <fixed_string Name>
inline constexpr bool is_from<from<Name>> = true;
template <class Option>
inline constexpr bool is_output = false;
template <class Activation>
inline constexpr bool is_output<output<Activation>> = true;

template <fixed_string Name, class... Layers>
constexpr int lower_stage(graph_builder& b, int x, int index, stage<Name, Layers...>) {
    for (const stage_info& s : b.value().stages)
        if (s.name == Name.view()) b.fail(misfit_kind::duplicate_name, "stage", Name, {}, {});
    b.owner(index);
    const int first = b.size();
    x = b.in(Name, [&] { return lower_layer(b, x, seq<Layers...>{}); });
    b.value().stages.push_back({Name, first, b.size(), x});
    b.remember(Name, x);
    return x;
}

template <fixed_string Name>
constexpr int tap_of(graph_builder& b, from<Name>) {
    const int s = b.value().find_stage(Name);
    if (s >= 0) return b.value().stages[static_cast<std::size_t>(s)].output;
    b.fail(misfit_kind::unknown_name, "from", Name, {}, {});
    return 0;
}

template <class Loss>
constexpr int default_output(graph_builder& b, int x) {
    if constexpr (Loss::output == output_activation::sigmoid) return lower_layer(b, x, sigmoid{});
    else if constexpr (Loss::output == output_activation::softmax) return lower_layer(b, x, softmax{});
    else return x;
}

template <fixed_string Name, class Body, class Loss, class... Options>
constexpr void lower_head(graph_builder& b, int encoded, head<Name, Body, Loss, Options...>) {
    graph& g = b.value();
    const auto mark = b.memory();
    (void)b.in(Name, [&] {
        if (g.find_head(Name) >= 0) b.fail(misfit_kind::duplicate_name, "head", Name, {}, {});
        b.owner(g.stage_count() + g.head_count());
        head_info h{};
        h.name = Name;
        h.first = b.size();
        h.tap = encoded;
        ((void)[&] {
            if constexpr (is_from<Options>) h.tap = tap_of(b, Options{});
        }(), ...);
        h.logits = lower_layer(b, h.tap, Body{});
        if (h.logits == h.tap) b.fail(misfit_kind::option, "body", "a head needs a layer of its own", {}, b.shape_of(h.tap));
        if (Loss::target == target_kind::class_index && b.shape_of(h.logits).c < 2)
            b.fail(misfit_kind::target, "loss", "classes need two channels or more", {2, 1, 1}, b.shape_of(h.logits));
        h.output = -1;
        ((void)[&] {
            if constexpr (is_output<Options>)
                h.output = []<class A>(graph_builder& builder, int x, output<A>) {
                    return lower_layer(builder, x, A{});
                }(b, h.logits, Options{});
        }(), ...);
        if (h.output < 0) h.output = default_output<Loss>(b, h.logits);
        h.last = b.size();
        g.heads.push_back(h);
        return h.output;
    });
    b.forget_since(mark);
}

template <int C, int H, int W, class... Stages>
constexpr int lower_encoder(graph_builder& b, encoder<image<C, H, W>, Stages...>) {
    int x = 0, index = 0;
    return b.in("encoder", [&] {
        ((x = lower_stage(b, x, index++, Stages{})), ...);
        return x;
    });
}

template <int C, int H, int W, class... Stages>
constexpr shape image_of(encoder<image<C, H, W>, Stages...>) {
    return {C, H, W};
}

template <class Encoder, class... Heads>
constexpr graph lower_network(network<Encoder, Heads...>, shape size) {
    constexpr shape declared = image_of(Encoder{});
    graph_builder b(size, declared.h == dynamic || declared.w == dynamic);
    const int x = lower_encoder(b, Encoder{});
    (lower_head(b, x, Heads{}), ...);
    return b.value();
}

} // namespace detail

namespace detail {

template <fixed_string Name, class Body, class Loss, class... Options>
auto loss_of(head<Name, Body, Loss, Options...>) -> Loss;

template <int C, int H, int W, class... Stages>
constexpr int stage_count_of(encoder<image<C, H, W>, Stages...>) {
    return sizeof...(Stages);
}

template <class Encoder, class... Heads>
struct traits {
    /// As written; height and width may be `dynamic`.
    static constexpr shape declared_image = image_of(Encoder{});
    static constexpr bool is_dynamic = declared_image.h == dynamic || declared_image.w == dynamic;
    /// The image that the types are checked with.
    static constexpr shape checked_image{declared_image.c, declared_image.h == dynamic ? example_size : declared_image.h,
                                         declared_image.w == dynamic ? example_size : declared_image.w};
    static constexpr int stage_count = stage_count_of(Encoder{});
    static constexpr int head_count = sizeof...(Heads);
    /// One loss per head, in order.
    using losses = std::tuple<decltype(loss_of(Heads{}))...>;
};
template <class Encoder, class... Heads>
auto traits_of(network<Encoder, Heads...>) -> traits<Encoder, Heads...>;

} // namespace detail

/// Facts of a network type that need no lowering.
template <class Net>
using network_traits = decltype(detail::traits_of(Net{}));

/// The graph of a network for one image size: an ordinary value. Never throws; look at `graph.error`.
template <class Net>
constexpr graph lower(shape image = network_traits<Net>::checked_image) {
    return detail::lower_network(Net{}, image);
}

} // namespace umsrep
