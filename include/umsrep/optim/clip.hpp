// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string>

#include <umsrep/core/error.hpp>

namespace umsrep::optim {

/// Sum of squares in double, in the order of the elements.
template <class T>
double squared_norm(std::span<const T> values) {
    double sum = 0.0;
    for (const T value : values) sum += static_cast<double>(value) * static_cast<double>(value);
    return sum;
}

/// Scales the gradients, all together, so that their Euclidean norm is at most `max_norm`; as torch.nn.utils.clip_grad_norm_, with
/// its factor max_norm / (norm + 1e-6). Returns the norm before. When that is not finite (an overflow, a NaN) the gradients stay as
/// they are, for no factor could mend them: the caller sees it in the returned norm and should skip the step. PyTorch would spread
/// the NaN to every gradient or set those to 0. Source: Pascanu et al., ICML 2013.
template <class T>
double clip_by_norm(std::span<const std::span<T>> gradients, double max_norm) {
    if (!(max_norm > 0.0)) throw option_error("clip_by_norm max_norm", "a value > 0", std::to_string(max_norm));
    double squares = 0.0;
    for (const std::span<T> part : gradients) squares += squared_norm(std::span<const T>{part});
    const double norm = std::sqrt(squares);
    const double factor = max_norm / (norm + 1e-6);
    if (!std::isfinite(norm) || factor >= 1.0) return norm;
    for (const std::span<T> part : gradients)
        for (T& value : part) value *= static_cast<T>(factor);
    return norm;
}

template <class T>
double clip_by_norm(std::span<T> gradient, double max_norm) {
    return clip_by_norm(std::span<const std::span<T>>{&gradient, 1}, max_norm);
}

/// Clamps every element to [-max_value, max_value]; as torch.nn.utils.clip_grad_value_. Infinities are clamped, NaN stays NaN.
template <class T>
void clip_by_value(std::span<T> gradient, double max_value) {
    if (!(max_value > 0.0)) throw option_error("clip_by_value max_value", "a value > 0", std::to_string(max_value));
    const auto limit = static_cast<T>(max_value);
    for (T& value : gradient) value = std::clamp(value, -limit, limit);
}

} // namespace umsrep::optim
