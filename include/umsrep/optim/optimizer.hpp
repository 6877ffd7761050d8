// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
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

// Settings that would end in weights that are no numbers; NaN is within no bounds.
inline void check_setting(bool good, const char* optimizer, const char* setting, const char* expected, double value) {
    if (!good) throw option_error(std::string{optimizer} + ' ' + setting, expected, std::to_string(value));
}
/// A learning rate or a weight decay; 0 is one.
inline void check_rate(const char* optimizer, const char* setting, double value) {
    check_setting(value >= 0.0 && value <= double{std::numeric_limits<float>::max()}, optimizer, setting, "a finite value >= 0", value);
}
/// How much of a moving mean is kept from step to step.
inline void check_kept(const char* optimizer, const char* setting, double value) {
    check_setting(value >= 0.0 && value < 1.0, optimizer, setting, "a value in [0, 1)", value);
}
/// What keeps a division from one by 0, also in floats whose smallest ones are flushed to 0.
inline void check_positive(const char* optimizer, const char* setting, double value) {
    check_setting(value >= double{std::numeric_limits<float>::min()} && value <= double{std::numeric_limits<float>::max()}, optimizer, setting,
                  "a finite value > 0", value);
}

} // namespace detail

/// Throws option_error, naming the setting, where an optimiser has one that cannot work. One's own says what it refuses by a member
/// `check()`; without, its rates are checked.
template <optimizer Optimizer>
void check(const Optimizer& o) {
    if constexpr (requires { o.check(); }) {
        o.check();
    } else {
        detail::check_rate("optimiser", "lr", static_cast<double>(o.lr));
        detail::check_rate("optimiser", "weight_decay", static_cast<double>(o.weight_decay));
    }
}

/// What a schedule makes of the learning rate. Throws option_error.
inline void check_factor(double lr_factor) { detail::check_rate("parameter groups'", "lr factor", lr_factor); }

} // namespace umsrep::optim
