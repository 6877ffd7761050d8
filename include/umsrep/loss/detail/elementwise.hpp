// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include <umsrep/core/pieces.hpp>
#include <umsrep/core/tensor_view.hpp>
#include <umsrep/loss/detail/check.hpp>
#include <umsrep/loss/detail/pack.hpp>

namespace umsrep::loss::detail {

inline constexpr std::ptrdiff_t piece_elements = 8192; ///< of a thread's work: enough to outweigh handing it out

/// A loss and its derivative at sixteen elements.
struct points {
    pack value, slope;
};

/// Absent samples teach nothing.
template <class T>
void clear_sample(tensor_view<T> gradient, int sample) {
    if (gradient) std::fill_n(gradient.sample(sample), gradient.s.size(), T{0});
}

/// A weight for each of the sixteen elements from `first` on of a sample with planes of `plane` elements: that of its channel.
template <class Pack = pack>
Pack weights_of_channels(std::span<const double> weights, std::ptrdiff_t plane, std::ptrdiff_t first) {
    if (weights.empty()) return Pack::Ones();
    const auto channel = [&](int lane) { return std::min(static_cast<std::size_t>((first + lane) / plane), weights.size() - 1); };
    if (channel(0) == channel(lanes - 1)) return Pack::Constant(weights[channel(0)]);
    Pack result;
    for (int l = 0; l < lanes; ++l) result[l] = weights[channel(l)];
    return result;
}

/// `share` times the sum of `element(logits, targets, first)` over all elements of the present samples; `first` is the place of the
/// sixteen within their sample. `Rule` says what a target must be.
template <class T, class Rule, class Element>
double sum_over_present(const arguments<T>& a, double share, write mode, Rule rule, Element element) {
    target_check<T, Rule> check{a, rule};
    const std::ptrdiff_t size = a.logits.s.size();
    const double slope = a.weight * share;
    const double total = sum_of_pieces(a.room.pool, piece_elements, a.logits.size(), [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
        double part = 0.0;
        while (begin < end) { // the piece's elements of one sample after the other
            const int sample = static_cast<int>(begin / size);
            const std::ptrdiff_t from = begin - sample * size, to = std::min(size, from + end - begin);
            begin += to - from;
            T* const gradient = a.gradient ? a.gradient.sample(sample) : nullptr;
            if (!a.has(sample)) {
                if (gradient != nullptr && mode == write::replace) std::fill(gradient + from, gradient + to, T{0});
                continue;
            }
            if (!check.passes(sample, from, to)) continue;
            for_packs(from, to, [&](std::ptrdiff_t i, int count) {
                const points at = element(load(a.logits.sample(sample) + i, count), load(a.target.sample(sample) + i, count), i);
                part += sum(at.value, count);
                if (gradient != nullptr) store(gradient + i, slope * at.slope, count, mode);
            });
        }
        return part;
    });
    check.done();
    return total * share;
}

/// The mean over all elements of the present samples.
template <class T, class Rule, class Element>
double mean_over_present(const arguments<T>& a, Rule rule, Element element) {
    return sum_over_present(a, a.share(a.logits.s.size()), write::replace, rule, element);
}

} // namespace umsrep::loss::detail
