// SPDX-License-Identifier: MIT
#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <umsrep/core/error.hpp>
#include <umsrep/core/tensor_view.hpp>

namespace umsrep::loss::detail {

/// The shortest text that reads back as the same number.
template <class Number>
std::string text(Number value) {
    char buffer[32];
    return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

inline std::string text(int n, shape s) { return text(n) + " x (" + text(s.c) + ", " + text(s.h) + ", " + text(s.w) + ")"; }

constexpr bool is_present(std::span<const std::uint8_t> present, int sample) {
    return present.empty() || present[static_cast<std::size_t>(sample)] != 0;
}

constexpr int count_present(std::span<const std::uint8_t> present, int n) {
    int count = 0;
    for (int i = 0; i < n; ++i) count += is_present(present, i);
    return count;
}

/// Refuses arguments of `evaluate` that do not fit each other.
template <class T>
void check_arguments(std::string_view loss, tensor_view<const T> logits, tensor_view<const float> target, shape target_shape,
                     std::span<const std::uint8_t> present, tensor_view<T> gradient, std::span<const double> scratch = {},
                     std::size_t scratch_size = 0) {
    const auto entity = [&](const char* what) { return std::string{loss} + ' ' + what; };
    if (target.n != logits.n || target.s != target_shape)
        throw shape_mismatch(entity("target"), text(logits.n, target_shape), text(target.n, target.s));
    if (gradient && (gradient.n != logits.n || gradient.s != logits.s))
        throw shape_mismatch(entity("gradient"), text(logits.n, logits.s), text(gradient.n, gradient.s));
    if (!present.empty() && present.size() != static_cast<std::size_t>(logits.n))
        throw shape_mismatch(entity("presence mask"), text(logits.n) + " samples", text(present.size()));
    if (scratch.size() < scratch_size)
        throw shape_mismatch(entity("scratch"), "at least " + text(scratch_size) + " doubles", text(scratch.size()));
}

/// A value per channel or class that an option may leave out.
inline void check_per_channel(std::string_view option, std::span<const double> values, int channels) {
    if (!values.empty() && values.size() != static_cast<std::size_t>(channels))
        throw option_error(std::string{option}, text(channels) + " values or none", text(values.size()));
    for (const double value : values)
        if (!(value >= 0.0) || !std::isfinite(value)) throw option_error(std::string{option}, "finite values >= 0", text(value));
}

[[noreturn]] inline void refuse_target(std::string_view loss, int sample, const std::string& expected, float got) {
    throw label_error(std::string{loss} + " target of sample " + text(sample), expected, text(got));
}

/// A target that must be a probability. NaN is refused too.
struct unit_interval {
    std::string_view loss;
    void operator()(float value, int sample) const {
        if (!(value >= 0.0f && value <= 1.0f)) refuse_target(loss, sample, "values in [0, 1]", value);
    }
};

/// A target that must be a number.
struct finite {
    std::string_view loss;
    void operator()(float value, int sample) const {
        if (!std::isfinite(value)) refuse_target(loss, sample, "finite values", value);
    }
};

} // namespace umsrep::loss::detail
