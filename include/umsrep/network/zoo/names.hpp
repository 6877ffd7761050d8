// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <umsrep/core/fixed_string.hpp>

namespace umsrep {

namespace detail {

template <fixed_string Prefix, int Number>
consteval auto counted_name() {
    constexpr std::size_t digits = Number < 10 ? 1 : Number < 100 ? 2 : 3;
    constexpr std::size_t length = Prefix.view().size();
    char text[length + digits + 1] = {};
    for (std::size_t i = 0; i < length; ++i) text[i] = Prefix.text[i];
    for (std::size_t i = digits, rest = Number; i-- > 0; rest /= 10) text[length + i] = static_cast<char>('0' + rest % 10);
    return fixed_string<length + digits + 1>(text);
}

} // namespace detail

/// A name with a number at its end, for lists of layers: counted<"denselayer", 12> is "denselayer12".
template <fixed_string Prefix, int Number>
    requires(Number >= 0 && Number < 1000)
inline constexpr auto counted = detail::counted_name<Prefix, Number>();

} // namespace umsrep
