// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include <umsrep/core/pieces.hpp>
#include <umsrep/loss/detail/elementwise.hpp>
#include <umsrep/loss/detail/entropy.hpp>

namespace umsrep::loss::detail {

/// Soft Dice, and binary cross-entropy beside it when `WithEntropy`, in two passes over the logits:
///   dice_weight * mean of 1 - (2 sum(p t) + smooth) / (sum(p) + sum(t) + smooth) over the channels of the present samples
///   + entropy_weight * mean of the entropy over their elements.
template <bool WithEntropy>
struct overlap {
    std::string_view loss;
    double smooth, dice_weight, entropy_weight;
    std::span<const double> pos_weight;

    struct sums {
        double both = 0, predicted = 0, wanted = 0, entropy = 0;
    };
    static constexpr std::size_t sums_size = 4;
    static constexpr pieces cut(shape s) { return {s.plane(), piece_elements}; }
    static constexpr std::size_t scratch_size(int n, shape s) {
        return static_cast<std::size_t>(n) * static_cast<std::size_t>(s.c) * (2 + sums_size * static_cast<std::size_t>(cut(s).count()));
    }

    template <class T>
    double operator()(const arguments<T>& a) const {
        if (!(smooth >= 0.0) || !std::isfinite(smooth))
            throw option_error(std::string{loss} + " smooth", "a finite value >= 0", text(smooth));
        const pieces of_plane = cut(a.logits.s);
        const int planes = a.logits.n * a.logits.s.c, count = of_plane.count();
        double* const step = a.room.scratch.data();   // per plane: d loss / d overlap over what stands below its fraction,
        double* const ratio = step + planes;          // and the overlap
        double* const partial = ratio + planes;       // per piece: its sums

        target_check<T, unit_interval> check{a, unit_interval{loss}};
        for_tasks(a.room.pool, std::ptrdiff_t{planes} * count, [&](int task) {
            const int plane = task / count, sample = plane / a.logits.s.c;
            const std::ptrdiff_t first = plane % a.logits.s.c * a.logits.s.plane();
            const std::ptrdiff_t begin = first + of_plane.begin(task % count), end = first + of_plane.end(task % count);
            const bool counts = a.has(sample) && check.passes(sample, begin, end);
            const sums s = counts ? measure(a, sample, begin, end) : sums{};
            double* const to = partial + sums_size * static_cast<std::size_t>(task);
            to[0] = s.both, to[1] = s.predicted, to[2] = s.wanted, to[3] = s.entropy;
        });
        check.done();

        const double share = a.share(a.logits.s.c), entropy_share = a.share(a.logits.s.size());
        double dice = 0.0, entropy = 0.0;
        for (int plane = 0; plane < planes; ++plane) {
            if (!a.has(plane / a.logits.s.c)) continue;
            sums s;
            const double* p = partial + sums_size * static_cast<std::size_t>(plane) * static_cast<std::size_t>(count);
            for (int i = 0; i < count; ++i, p += sums_size)
                s.both += p[0], s.predicted += p[1], s.wanted += p[2], s.entropy += p[3];
            const double above = 2.0 * s.both + smooth, below = s.predicted + s.wanted + smooth;
            const bool empty = below < std::numeric_limits<double>::min(); // nothing wanted, found or smoothed; false for NaN
            ratio[plane] = empty ? 1.0 : above / below;
            step[plane] = empty ? 0.0 : a.weight * dice_weight * share / below;
            dice += 1.0 - ratio[plane];
            entropy += s.entropy;
        }
        if (a.gradient)
            for_tasks(a.room.pool, std::ptrdiff_t{planes} * count, [&](int task) {
                const int plane = task / count;
                const std::ptrdiff_t first = plane % a.logits.s.c * a.logits.s.plane();
                differentiate(a, plane / a.logits.s.c, first + of_plane.begin(task % count), first + of_plane.end(task % count),
                              ratio[plane], step[plane], a.weight * entropy_weight * entropy_share);
            });
        return dice_weight * share * dice + (WithEntropy ? entropy_weight * entropy_share * entropy : 0.0);
    }

private:
    template <class T>
    pack weights(const arguments<T>& a, std::ptrdiff_t i) const {
        return weights_of_channels(pos_weight, a.logits.s.plane(), i);
    }

    template <class T>
    sums measure(const arguments<T>& a, int sample, std::ptrdiff_t begin, std::ptrdiff_t end) const {
        sums s;
        for_packs(begin, end, [&](std::ptrdiff_t i, int count) {
            const auto x = load(a.logits.sample(sample) + i, count), t = load(a.target.sample(sample) + i, count);
            const logistic at{x};
            s.both += sum(at.yes * t, count);
            s.predicted += sum(at.yes, count);
            s.wanted += sum(t, count);
            if constexpr (WithEntropy) s.entropy += sum(cross_entropy_of(at, x, t, weights(a, i)).value, count);
        });
        return s;
    }

    template <class T>
    void differentiate(const arguments<T>& a, int sample, std::ptrdiff_t begin, std::ptrdiff_t end, double ratio, double step,
                       double entropy_step) const {
        T* const gradient = a.gradient.sample(sample);
        if (!a.has(sample)) return void(std::fill(gradient + begin, gradient + end, T{0}));
        for_packs(begin, end, [&](std::ptrdiff_t i, int count) {
            const auto x = load(a.logits.sample(sample) + i, count), t = load(a.target.sample(sample) + i, count);
            const logistic at{x};
            pack_for<T> slope = step * (ratio - 2.0 * t) * at.yes * at.no;
            if constexpr (WithEntropy) slope += entropy_step * ((1.0 - t) - (1.0 + (weights(a, i) - 1.0) * t) * at.no);
            store(gradient + i, slope, count, write::replace);
        });
    }
};

} // namespace umsrep::loss::detail
