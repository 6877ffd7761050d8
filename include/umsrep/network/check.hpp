// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/network/lower.hpp>

namespace umsrep {

// The vocabulary of compile-time errors. A network that does not fit stops the compiler at one of these incomplete types, whose name
// is the sentence: shape_error<at<"lungs", "1.1 concat">, expected<128, 64, 64>, got<128, 63, 63>>.

template <fixed_string Part, fixed_string Layer> struct at;
template <int... Numbers> struct expected;
template <int... Numbers> struct got;
template <int... Numbers> struct expected_multiple_of;
template <int... Numbers> struct expected_at_least;
template <fixed_string Text> struct called;
template <fixed_string Text> struct because;

template <class Where, class Expected, class Got> struct shape_error;
template <class Where, class Window, class PaddedImage> struct window_error;
template <class Where, class Expected, class Got> struct channels_error;
template <class Where, class Reason> struct option_error_in;
template <class Where, class Name> struct unknown_name;
template <class Where, class Name> struct duplicate_name;
template <class Where, class Expected, class Got> struct target_error;
template <class Where, class Reason, class Got> struct dynamic_size_error;

namespace detail {

struct good {
    static constexpr bool value = true;
};

template <class Net>
inline constexpr misfit misfit_of = lower<Net>().error;

template <class Net>
consteval auto verdict() {
    constexpr misfit M = misfit_of<Net>;
    constexpr auto part = fixed_string<M.part.length + 1>::from(M.part.view());
    constexpr auto layer = fixed_string<M.layer.length + 1>::from(M.layer.view());
    constexpr auto what = fixed_string<M.what.length + 1>::from(M.what.view());
    using where = at<part, layer>;
    using wanted = expected<M.expected.c, M.expected.h, M.expected.w>;
    using came = got<M.got.c, M.got.h, M.got.w>;
    if constexpr (M.kind == misfit_kind::none) return std::type_identity<good>{};
    else if constexpr (M.kind == misfit_kind::shape) return std::type_identity<shape_error<where, wanted, came>>{};
    else if constexpr (M.kind == misfit_kind::window) return std::type_identity<window_error<where, wanted, came>>{};
    else if constexpr (M.kind == misfit_kind::channels)
        return std::type_identity<channels_error<where, expected_multiple_of<M.expected.c>, got<M.got.c>>>{};
    else if constexpr (M.kind == misfit_kind::option) return std::type_identity<option_error_in<where, because<what>>>{};
    else if constexpr (M.kind == misfit_kind::unknown_name) return std::type_identity<unknown_name<where, called<what>>>{};
    else if constexpr (M.kind == misfit_kind::duplicate_name) return std::type_identity<duplicate_name<where, called<what>>>{};
    else if constexpr (M.kind == misfit_kind::target)
        return std::type_identity<target_error<where, expected_at_least<M.expected.c>, came>>{};
    else return std::type_identity<dynamic_size_error<where, because<what>, came>>{};
}

} // namespace detail

namespace detail {
template <class Verdict>
inline constexpr bool holds = Verdict::value;
}

/// True, or a compile error of one short line that names head, layer, what was expected and what came.
template <class Net>
inline constexpr bool fits = detail::holds<typename decltype(detail::verdict<Net>())::type>;

} // namespace umsrep
