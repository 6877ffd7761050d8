// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <umsrep/core/tensor_view.hpp>
#include <umsrep/loss/detail/check.hpp>
#include <umsrep/loss/detail/elementwise.hpp>

namespace umsrep::loss::detail {

/// Reads class labels out of float targets.
struct class_labels {
    std::string_view loss;
    int classes = 0;
    int ignore = -100;

    /// The class in [0, classes), or -1 for the ignore label.
    int operator()(float value, int sample) const {
        if (value == static_cast<float>(ignore)) return -1;
        if (!(value >= 0.0f && value < static_cast<float>(classes)) || value != std::floor(value))
            refuse_target(loss, sample, "a class 0 to " + text(classes - 1) + " or the ignore label " + text(ignore), value);
        return static_cast<int>(value);
    }

    /// Sum of `weight_of(label)` over what counts.
    template <class WeightOf>
    double sum(tensor_view<const float> target, std::span<const std::uint8_t> present, WeightOf weight_of) const {
        double total = 0.0;
        for (int i = 0; i < target.n; ++i) {
            if (!is_present(present, i)) continue;
            for (std::ptrdiff_t j = 0; j < target.s.size(); ++j)
                if (const int y = (*this)(target.sample(i)[j], i); y >= 0) total += weight_of(y);
        }
        return total;
    }
};

/// The distribution over classes at one pixel; log-sum-exp keeps it finite for any finite logits.
template <class T>
class softmax_at {
public:
    softmax_at(const T* logits, int classes, std::ptrdiff_t stride) : logits_{logits}, stride_{stride} {
        double highest = logit(0);
        for (int c = 1; c < classes; ++c) highest = std::max(highest, logit(c));
        double sum = 0.0;
        for (int c = 0; c < classes; ++c) sum += std::exp(logit(c) - highest);
        // Apart: adding the two would round log(sum) away beside a large logit.
        highest_ = highest;
        log_sum_ = std::log(sum);
    }

    double log(int c) const { return (logit(c) - highest_) - log_sum_; }
    double operator()(int c) const { return std::exp(log(c)); }

private:
    double logit(int c) const { return static_cast<double>(logits_[c * stride_]); }

    const T* logits_;
    std::ptrdiff_t stride_;
    double highest_ = 0.0, log_sum_ = 0.0;
};

/// Sum of `pixel(softmax, label, put)` over the labelled pixels of the present samples; `put(class, value)` writes the gradient.
/// The gradient of everything else becomes 0.
template <class T, class Pixel>
double for_each_labelled(tensor_view<const T> logits, tensor_view<const float> target, std::span<const std::uint8_t> present,
                         tensor_view<T> gradient, class_labels labels, Pixel pixel) {
    const std::ptrdiff_t stride = logits.s.plane();
    double total = 0.0;
    for (int i = 0; i < logits.n; ++i) {
        clear_sample(gradient, i);
        if (!is_present(present, i)) continue;
        double sum = 0.0;
        for (std::ptrdiff_t j = 0; j < stride; ++j) {
            const int y = labels(target.sample(i)[j], i);
            if (y < 0) continue;
            const auto put = [g = gradient ? gradient.sample(i) + j : nullptr, stride](int c, double value) {
                g[c * stride] = static_cast<T>(value);
            };
            sum += pixel(softmax_at<T>{logits.sample(i) + j, logits.s.c, stride}, y, put);
        }
        total += sum;
    }
    return total;
}

} // namespace umsrep::loss::detail
