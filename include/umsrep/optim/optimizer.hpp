// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <umsrep/core/error.hpp>

namespace umsrep::optim {

/// What moves parameters along their gradient. `update(w, g, state, step, lr, weight_decay)` changes the parameters `w` and the
/// `moments` arrays of its state, all of one length, in place; element i depends on element i alone, so any part of the arrays may
/// be updated by any thread. `step` counts from 1; the state starts at zero. `lr` and `weight_decay` are those of this call: the
/// members of these names are what a schedule and a parameter group scale.
template <class O>
concept optimizer = std::copyable<O> &&
    requires(const O o, std::span<float> w, std::span<const float> g, std::array<std::span<float>, O::moments> state) {
    { O::moments } -> std::convertible_to<int>;
    { o.lr } -> std::convertible_to<double>;
    { o.weight_decay } -> std::convertible_to<double>;
    o.update(w, g, state, std::int64_t{1}, double{}, double{});
};

namespace detail {

/// Refuses arrays of different lengths: an update past the end of one would be silent.
template <std::size_t Moments, class T>
void check_update(const char* optimizer, std::span<T> w, std::span<const T> g, const std::array<std::span<T>, Moments>& state,
                  std::int64_t step) {
    const auto expect = [&](const char* what, std::size_t size) {
        if (size != w.size())
            throw shape_mismatch(std::string{optimizer} + ' ' + what, std::to_string(w.size()) + " elements",
                                 std::to_string(size));
    };
    expect("gradient", g.size());
    for (const auto& moment : state) expect("state", moment.size());
    if (step < 1) throw option_error(std::string{optimizer} + " step", "a count from 1", std::to_string(step));
}

} // namespace detail
} // namespace umsrep::optim
