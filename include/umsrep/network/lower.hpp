// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>

#include <umsrep/graph/lower.hpp>
#include <umsrep/loss/loss_function.hpp>
#include <umsrep/network/description.hpp>

namespace umsrep {

namespace detail {

/// Stands in for a dynamic height or width while the types are checked: large and a power of two, so that only misfits that every
/// size would have are found.
inline constexpr int example_size = 512;

// What may stand where in `network` and `encoder`; anything else is a misfit of its own.
// Derived types count, so that a long one may be given a short name: struct chest_xray : encoder<...> {};
template <int C, int H, int W, class... Stages>
void as_encoder(const encoder<image<C, H, W>, Stages...>&);
template <fixed_string Name, class... Layers>
void as_stage(const stage<Name, Layers...>&);
template <fixed_string Name, class Body, class Loss, class... Options>
void as_head(const head<Name, Body, Loss, Options...>&);

template <class Encoder, class... Heads>
void as_network(const network<Encoder, Heads...>&);
template <class Encoder, class... Heads>
auto encoder_of(const network<Encoder, Heads...>&) -> Encoder;

template <class T>
concept is_encoder = !std::is_reference_v<T> && requires(const T& t) { as_encoder(t); };
template <class T>
concept is_stage = !std::is_reference_v<T> && requires(const T& t) { as_stage(t); };
template <class T>
concept is_head = !std::is_reference_v<T> && requires(const T& t) { as_head(t); };
template <class T>
concept is_network = !std::is_reference_v<T> && requires(const T& t) { as_network(t); };
template <class T>
concept has_encoder = requires(const T& t) { as_encoder(encoder_of(t)); };

template <class T>
constexpr void fail_type(graph_builder& b, std::string_view layer, std::string_view wanted) {
    b.fail(misfit_kind::wrong_type, layer, sentence(short_name<40>(type_name<T>()).view(), " is no ", wanted).view(), {}, {});
}

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

/// Whether a loss can teach an output of this shape.
constexpr void check_target(graph_builder& b, target_kind kind, shape out) {
    if (kind == target_kind::class_index && out.c < 2) b.fail(misfit_kind::target, "loss", "expected two channels or more", {}, out);
    if (kind == target_kind::multi_label && out.plane() != 1) b.fail(misfit_kind::target, "loss", "expected labels x 1 x 1", {}, out);
    if (kind == target_kind::scalar && out.size() != 1) b.fail(misfit_kind::target, "loss", "expected 1 x 1 x 1", {}, out);
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
        b.owner(g.stage_count() + g.head_count());
        head_info h{};
        h.name = Name;
        h.first = b.size();
        h.tap = encoded;
        ((void)[&] {
            if constexpr (is_from<Options>) h.tap = tap_of(b, Options{});
            else if constexpr (!is_output<Options>) fail_type<Options>(b, "head", "option of a head");
        }(), ...);
        h.logits = lower_type<Body>(b, h.tap);
        if (h.logits == h.tap) b.fail(misfit_kind::option, "body", "a head needs a layer of its own", {}, b.shape_of(h.tap));
        if constexpr (loss::loss_function<Loss>) check_target(b, Loss::target, b.shape_of(h.logits));
        else fail_type<Loss>(b, "loss", "loss");
        h.output = -1;
        ((void)[&] {
            if constexpr (is_output<Options>)
                h.output = []<class A>(graph_builder& builder, int x, output<A>) {
                    return lower_type<A>(builder, x);
                }(b, h.logits, Options{});
        }(), ...);
        if constexpr (loss::loss_function<Loss>)
            if (h.output < 0) h.output = default_output<Loss>(b, h.logits);
        if (h.output < 0) h.output = h.logits;
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
        if (C <= 0 || (H <= 0 && H != dynamic) || (W <= 0 && W != dynamic))
            b.fail(misfit_kind::option, "image", "expected positive channels and size", {}, {C, H, W});
        if (sizeof...(Stages) == 0) b.fail(misfit_kind::option, {}, "an encoder needs a stage", {}, {});
        ((void)[&] {
            if constexpr (is_stage<Stages>) x = lower_stage(b, x, index++, Stages{});
            else fail_type<Stages>(b, {}, "stage");
        }(), ...);
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
    if (sizeof...(Heads) == 0 || sizeof...(Heads) > 63)
        b.fail(misfit_kind::option, {}, sentence("expected 1 to 63 heads, got ", static_cast<int>(sizeof...(Heads))).view(), {}, {});
    ((void)[&] {
        if constexpr (is_head<Heads>) lower_head(b, x, Heads{});
        else fail_type<Heads>(b, {}, "head");
    }(), ...);
    b.check_parameter_names();
    return b.value();
}

} // namespace detail

namespace detail {

template <fixed_string Name, class Body, class Loss, class... Options>
auto loss_of(head<Name, Body, Loss, Options...>) -> Loss;

template <class T>
struct loss_in {
    using type = void;
};
template <is_head T>
struct loss_in<T> {
    using type = decltype(loss_of(T{}));
};

template <fixed_string Name, class... Layers>
constexpr std::string_view name_of(const stage<Name, Layers...>&) {
    return Name.view();
}
template <fixed_string Name, class Body, class Loss, class... Options>
constexpr std::string_view name_of(const head<Name, Body, Loss, Options...>&) {
    return Name.view();
}
/// The names of those that are stages or heads, in order.
template <class... Parts>
constexpr auto names_of() {
    return std::array<std::string_view, sizeof...(Parts)>{[]() -> std::string_view {
        if constexpr (is_stage<Parts> || is_head<Parts>) return name_of(Parts{});
        else return {};
    }()...};
}
template <int C, int H, int W, class... Stages>
constexpr auto stage_names_of(encoder<image<C, H, W>, Stages...>) {
    return names_of<Stages...>();
}

template <class Encoder, class... Heads>
struct traits {
    /// As written; height and width may be `dynamic`.
    static constexpr shape declared_image = image_of(Encoder{});
    static constexpr bool is_dynamic = declared_image.h == dynamic || declared_image.w == dynamic;
    /// The image that the types are checked with.
    static constexpr shape checked_image{declared_image.c, declared_image.h == dynamic ? example_size : declared_image.h,
                                         declared_image.w == dynamic ? example_size : declared_image.w};
    static constexpr auto stage_names = stage_names_of(Encoder{});
    static constexpr auto head_names = names_of<Heads...>();
    static constexpr int stage_count = static_cast<int>(stage_names.size());
    static constexpr int head_count = static_cast<int>(head_names.size());
    /// Number of the head or stage of a name; -1 when there is none.
    static constexpr int find_head(std::string_view name) { return find(head_names, name); }
    static constexpr int find_stage(std::string_view name) { return find(stage_names, name); }
    /// One loss per head, in order.
    using losses = std::tuple<typename loss_in<Heads>::type...>;

private:
    template <std::size_t N>
    static constexpr int find(const std::array<std::string_view, N>& names, std::string_view name) {
        const auto at = std::find(names.begin(), names.end(), name);
        return at == names.end() ? -1 : static_cast<int>(at - names.begin());
    }
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

namespace detail {

/// What is left of a lowered network when its arrays are gone: a constant of the network's type.
struct summary {
    misfit error{};
    std::size_t nodes = 0, labels = 0, stages = 0, heads = 0;
    std::int64_t parameters = 0, statistics = 0;
};
template <class Net>
constexpr summary summarize() {
    const graph g = lower<Net>();
    return {g.error, g.nodes.size(), g.labels.size(), g.stages.size(), g.heads.size(), g.parameters, g.statistics};
}
template <class Net>
inline constexpr summary summary_of = summarize<Net>();

} // namespace detail

} // namespace umsrep
