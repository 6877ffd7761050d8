// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include <umsrep/core/pieces.hpp>
#include <umsrep/loss/detail/check.hpp>
#include <umsrep/loss/detail/elementwise.hpp>

namespace umsrep::loss::detail {

/// Reads class labels out of float targets.
struct class_labels {
    std::string_view loss;
    int classes = 0;
    int ignore = -100;

    bool accepts(float value) const {
        return value == static_cast<float>(ignore) ||
               (value >= 0.0f && value < static_cast<float>(classes) && value == static_cast<float>(static_cast<int>(value)));
    }
    void refuse(float value, int sample) const {
        refuse_target(loss, sample, "a class 0 to " + text(classes - 1) + " or the ignore label " + text(ignore), value);
    }
    /// The class of an accepted value, or -1 for the ignore label.
    int operator()(float value) const { return value == static_cast<float>(ignore) ? -1 : static_cast<int>(value); }
};

/// Checks every label and adds `weight_of(label)` over what counts.
template <class T, class WeightOf>
double sum_of_weights(const arguments<T>& a, const class_labels& labels, WeightOf weight_of) {
    target_check<T, class_labels> check{a, labels};
    const std::ptrdiff_t size = a.target.s.size();
    const double total = sum_of_pieces(a.room.pool, piece_elements, a.target.size(), [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
        double part = 0.0;
        while (begin < end) {
            const int sample = static_cast<int>(begin / size);
            const std::ptrdiff_t from = begin - sample * size, to = std::min(size, from + end - begin);
            begin += to - from;
            if (!a.has(sample) || !check.passes(sample, from, to)) continue;
            for (std::ptrdiff_t j = from; j < to; ++j)
                if (const int y = labels(a.target.sample(sample)[j]); y >= 0) part += weight_of(y);
        }
        return part;
    });
    check.done();
    return total;
}

/// Sixteen pixels of a batch, or fewer, with their labels; they may lie in different samples.
template <class T>
class labelled_pixels {
public:
    /// Pixels [first, first + count) of all the samples' one after another. The labels were checked.
    labelled_pixels(const arguments<T>& a, const class_labels& labels, std::ptrdiff_t first, int count) : a_{a}, count_{count} {
        const std::ptrdiff_t plane = a.logits.s.plane();
        label_.fill(-1);
        for (int l = 0; l < count; ++l) {
            const std::ptrdiff_t sample = (first + l) / plane, pixel = (first + l) % plane;
            const auto i = static_cast<std::size_t>(l);
            offset_[i] = sample * a.logits.s.size() + pixel;
            if (a.has(static_cast<int>(sample))) label_[i] = labels(a.target.sample(static_cast<int>(sample))[pixel]);
        }
        together_ = count == lanes && offset_[lanes - 1] - offset_[0] == lanes - 1;
    }

    int classes() const { return a_.logits.s.c; }
    bool any() const { return std::any_of(label_.begin(), label_.end(), [](int y) { return y >= 0; }); }

    /// The logits of class `c`; 0 behind the last pixel.
    pack logit(int c) const {
        const T* const p = a_.logits.data + c * a_.logits.s.plane();
        if (together_) return load(p + offset_[0], lanes);
        pack result = pack::Zero();
        for (int l = 0; l < count_; ++l) result[l] = static_cast<double>(p[offset_[static_cast<std::size_t>(l)]]);
        return result;
    }

    /// The logit of each pixel's label.
    pack logit_of_label() const {
        pack result = pack::Zero();
        for (int l = 0; l < count_; ++l) {
            const auto i = static_cast<std::size_t>(l);
            result[l] = static_cast<double>(a_.logits.data[offset_[i] + std::max(0, label_[i]) * a_.logits.s.plane()]);
        }
        return result;
    }

    /// `f(label)` for each pixel; where there is none, that of class 0, which nobody reads.
    template <class F>
    pack of_label(F f) const {
        pack result;
        for (int l = 0; l < lanes; ++l) result[l] = f(std::max(0, label_[static_cast<std::size_t>(l)]));
        return result;
    }

    /// Writes the gradient with respect to the logits of class `c`; 0 where there is no label.
    void put(int c, const pack& slope) const {
        T* const p = a_.gradient.data + c * a_.logits.s.plane();
        for (int l = 0; l < count_; ++l) {
            const auto i = static_cast<std::size_t>(l);
            p[offset_[i]] = label_[i] < 0 ? T{0} : static_cast<T>(slope[l]);
        }
    }

    double sum_of_labelled(const pack& value) const {
        double total = 0.0;
        for (int l = 0; l < count_; ++l)
            if (label_[static_cast<std::size_t>(l)] >= 0) total += value[l];
        return total;
    }

private:
    const arguments<T>& a_;
    int count_;
    bool together_ = false;
    std::array<std::ptrdiff_t, lanes> offset_{}; ///< of the logit of class 0
    std::array<int, lanes> label_;
};

/// The distributions over classes at sixteen pixels; log-sum-exp keeps them finite for any finite logits.
template <class T>
class softmax {
public:
    explicit softmax(const labelled_pixels<T>& at) : at_{at}, highest_{at.logit(0)} {
        for (int c = 1; c < at.classes(); ++c) highest_ = highest_.max(at.logit(c));
        pack_for<T> total = pack::Zero();
        for (int c = 0; c < at.classes(); ++c) total += (at.logit(c) - highest_).exp();
        // Apart: adding the two would round log(total) away beside a large logit.
        log_sum_ = total.log();
    }

    pack log(int c) const { return (at_.logit(c) - highest_) - log_sum_; }
    pack operator()(int c) const { return log(c).exp(); }
    pack log_of_label() const { return (at_.logit_of_label() - highest_) - log_sum_; }

private:
    const labelled_pixels<T>& at_;
    pack_for<T> highest_, log_sum_;
};

/// Sum of `value(pixels)` over the labelled pixels of the present samples; `value` also puts the gradient of every class. The
/// gradient of everything else becomes 0.
template <class T, class Value>
double sum_over_labelled(const arguments<T>& a, const class_labels& labels, Value value) {
    const std::ptrdiff_t pixels = a.logits.n * a.logits.s.plane();
    return sum_of_pieces(a.room.pool, piece_elements / 4, pixels, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
        double part = 0.0;
        for_packs(begin, end, [&](std::ptrdiff_t first, int count) {
            const labelled_pixels<T> at{a, labels, first, count};
            if (at.any()) {
                part += at.sum_of_labelled(value(at));
            } else if (a.gradient) {
                for (int c = 0; c < at.classes(); ++c) at.put(c, pack::Zero());
            }
        });
        return part;
    });
}

} // namespace umsrep::loss::detail
