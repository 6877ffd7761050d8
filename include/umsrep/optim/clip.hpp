// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>

#include <Eigen/Core>

#include <umsrep/core/error.hpp>
#include <umsrep/core/pieces.hpp>

namespace umsrep::optim {

/// Sum of squares in double, of eight interleaved sums in each piece: the same bits with a pool of any size and with none.
template <class T>
double squared_norm(std::span<const T> values, thread_pool* pool = nullptr) {
    return sum_of_pieces(pool, 1 << 15, static_cast<std::ptrdiff_t>(values.size()), [values](std::ptrdiff_t begin, std::ptrdiff_t end) {
        constexpr std::ptrdiff_t sums = 8; // independent additions: one alone would wait for itself
        std::array<double, sums> sum{};
        const T* const x = values.data();
        std::ptrdiff_t i = begin;
        for (; i + sums <= end; i += sums)
            for (std::ptrdiff_t k = 0; k < sums; ++k) {
                const double v = static_cast<double>(x[i + k]);
                sum[static_cast<std::size_t>(k)] += v * v;
            }
        for (; i < end; ++i) sum[0] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
        return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
    });
}

/// Scales the gradients, all together, so that their Euclidean norm is at most `max_norm`; as torch.nn.utils.clip_grad_norm_, with
/// its factor max_norm / (norm + 1e-6). Returns the norm before. When that is not finite (an overflow, a NaN) the gradients stay as
/// they are, for no factor could mend them: the caller sees it in the returned norm and should skip the step. PyTorch would spread
/// the NaN to every gradient or set those to 0. Source: Pascanu et al., ICML 2013.
template <class T>
double clip_by_norm(std::span<const std::span<T>> gradients, double max_norm, thread_pool* pool = nullptr) {
    if (!(max_norm > 0.0)) throw option_error("clip_by_norm max_norm", "a value > 0", std::to_string(max_norm));
    double squares = 0.0;
    for (const std::span<T> part : gradients) squares += squared_norm(std::span<const T>{part}, pool);
    const double norm = std::sqrt(squares);
    const double factor = max_norm / (norm + 1e-6);
    if (!std::isfinite(norm) || factor >= 1.0) return norm;
    for (const std::span<T> part : gradients)
        for_pieces(pool, {static_cast<std::ptrdiff_t>(part.size()), 1 << 16}, [part, factor](std::ptrdiff_t begin, std::ptrdiff_t end) {
            Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>>{part.data() + begin, end - begin} *= static_cast<T>(factor);
        });
    return norm;
}

template <class T>
double clip_by_norm(std::span<T> gradient, double max_norm, thread_pool* pool = nullptr) {
    return clip_by_norm(std::span<const std::span<T>>{&gradient, 1}, max_norm, pool);
}

/// Clamps every element to [-max_value, max_value]; as torch.nn.utils.clip_grad_value_. Infinities are clamped, NaN stays NaN.
template <class T>
void clip_by_value(std::span<T> gradient, double max_value) {
    if (!(max_value > 0.0)) throw option_error("clip_by_value max_value", "a value > 0", std::to_string(max_value));
    const auto limit = static_cast<T>(max_value);
    for (T& value : gradient) value = std::clamp(value, -limit, limit);
}

} // namespace umsrep::optim
