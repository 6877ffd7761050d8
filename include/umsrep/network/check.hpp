// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <type_traits>

#include <umsrep/network/lower.hpp>

namespace umsrep {

// The vocabulary of compile-time errors. A network that does not fit stops the compiler at one of these incomplete types, whose name
// is the sentence: shape_error<at<"lungs", "1.1 concat">, expected<128, 64, 64>, got<128, 63, 63>>. Reasons have at most 36 characters:
// clang cuts longer ones.

/// A text in a message: a fixed_string of a shorter name, for g++ spells it out.
template <std::size_t N>
struct quote {
    char text[N]{};
    consteval quote(const char (&literal)[N]) { std::copy_n(literal, N, text); }
    consteval quote(const fixed_string<N>& name) { std::copy_n(name.text, N, text); }
    /// The first N - 1 characters.
    consteval explicit quote(std::string_view characters) {
        std::copy_n(characters.begin(), N - 1, text);
        text[N - 1] = 0; // written, or clang prints numbers instead of the text
    }
};

template <quote... PartAndLayer> struct at;
template <int... Numbers> struct expected;
template <int... Numbers> struct got;
template <int Number> struct multiple_of;
template <quote Text> struct called;
template <quote Text> struct because;

template <class Where, class Expected, class Got> struct shape_error;
template <class Where, class Window, class Image> struct window_error;
template <int Height, int Width> struct window_size;
template <int Height, int Width> struct padded_image_size;
template <class Where, class Expected, class Got> struct channels_error;
template <class Where, class Reason> struct layer_error;
template <class Where, class Name> struct unknown_name;
template <class Where, class Name> struct duplicate_name;
template <class Where, class Reason, class Got> struct target_error;
template <class Where, class Reason, class Got> struct dynamic_size_error;
template <class Where, class Reason> struct type_error;

namespace detail {

struct good {
    using type = good;
};

template <class Net>
inline constexpr misfit misfit_of = summary_of<Net>.error;

template <class Net>
consteval auto verdict() {
    constexpr misfit M = misfit_of<Net>;
    constexpr quote<M.part.length + 1> part(M.part.view());
    constexpr quote<M.layer.length + 1> layer(M.layer.view());
    constexpr quote<M.what.length + 1> what(M.what.view());
    using where = std::conditional_t<M.layer.length == 0, at<part>, at<part, layer>>;
    using wanted = expected<M.expected.c, M.expected.h, M.expected.w>;
    using came = got<M.got.c, M.got.h, M.got.w>;
    if constexpr (M.kind == misfit_kind::none) return std::type_identity<good>{};
    else if constexpr (M.kind == misfit_kind::shape) return std::type_identity<shape_error<where, wanted, came>>{};
    else if constexpr (M.kind == misfit_kind::window)
        return std::type_identity<window_error<where, window_size<M.expected.h, M.expected.w>, padded_image_size<M.got.h, M.got.w>>>{};
    else if constexpr (M.kind == misfit_kind::channels)
        return std::type_identity<channels_error<where, multiple_of<M.expected.c>, got<M.got.c>>>{};
    else if constexpr (M.kind == misfit_kind::option) return std::type_identity<layer_error<where, because<what>>>{};
    else if constexpr (M.kind == misfit_kind::unknown_name) return std::type_identity<unknown_name<where, called<what>>>{};
    else if constexpr (M.kind == misfit_kind::duplicate_name) return std::type_identity<duplicate_name<where, called<what>>>{};
    else if constexpr (M.kind == misfit_kind::target)
        return std::type_identity<target_error<where, because<what>, came>>{};
    else if constexpr (M.kind == misfit_kind::dynamic_size)
        return std::type_identity<dynamic_size_error<where, because<what>, came>>{};
    else return std::type_identity<type_error<where, because<what>>>{};
}

/// A type that is no network, or whose encoder is none.
template <class Net>
consteval misfit misfit_of_type() {
    graph_builder b({1, 1, 1});
    if constexpr (!is_network<Net>) fail_type<Net>(b, {}, "network");
    else if constexpr (!has_encoder<Net>) b.fail(misfit_kind::wrong_type, {}, "its first argument is no encoder", {}, {});
    return b.value().error;
}
template <class Net>
    requires(!is_network<Net> || !has_encoder<Net>)
inline constexpr misfit misfit_of<Net> = misfit_of_type<Net>();

/// Stops the compiler with the sentence, once: the rest of the library then goes on as if all were well.
template <class Verdict>
struct stop {
    using sentence = typename Verdict::type;
};
template <class Verdict>
inline constexpr bool holds = (sizeof(stop<Verdict>) != 0);

} // namespace detail

/// True, or a compile error of one short line that names head, layer, what was expected and what came. Derive from a network,
/// `struct net : network<...> {};`, and the lines around that error stay short too: an alias is always spelled out in full.
template <class Net>
inline constexpr bool fits = detail::holds<typename decltype(detail::verdict<Net>())::type>;

} // namespace umsrep
