// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <umsrep/core/tensor_view.hpp>
#include <umsrep/loss/detail/check.hpp>

namespace umsrep::loss::detail {

/// A loss and its derivative at one element.
struct point {
    double value, slope;
};

/// Whether a term of a loss overwrites the gradient or is added to that of the term before it.
enum class write : std::uint8_t { replace, add };

template <class T>
void put(T& gradient, double value, write mode) {
    gradient = static_cast<T>(mode == write::add ? static_cast<double>(gradient) + value : value);
}

/// Absent samples teach nothing.
template <class T>
void clear_sample(tensor_view<T> gradient, int sample) {
    if (gradient) std::fill_n(gradient.sample(sample), gradient.s.size(), T{0});
}

/// The mean of `element(logit, target, channel)` over all elements of the present samples. `check(target, sample)` throws.
template <class T, class Check, class Element>
double mean_over_present(tensor_view<const T> logits, tensor_view<const float> target, std::span<const std::uint8_t> present,
                         double weight, tensor_view<T> gradient, write mode, Check check, Element element) {
    const int count = count_present(present, logits.n);
    const double scale = count == 0 ? 0.0 : 1.0 / (static_cast<double>(count) * static_cast<double>(logits.s.size()));
    const std::ptrdiff_t size = logits.s.plane();
    double total = 0.0;
    for (int i = 0; i < logits.n; ++i) {
        if (!is_present(present, i)) {
            clear_sample(gradient, i);
            continue;
        }
        for (int c = 0; c < logits.s.c; ++c) {
            const T* x = logits.plane(i, c);
            const float* t = target.plane(i, c);
            double sum = 0.0;
            for (std::ptrdiff_t j = 0; j < size; ++j) {
                check(t[j], i);
                const point at = element(static_cast<double>(x[j]), static_cast<double>(t[j]), c);
                sum += at.value;
                if (gradient) put(gradient.plane(i, c)[j], weight * scale * at.slope, mode);
            }
            total += sum;
        }
    }
    return total * scale;
}

} // namespace umsrep::loss::detail
