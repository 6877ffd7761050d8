// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <umsrep/core/error.hpp>
#include <umsrep/core/tensor_view.hpp>
#include <umsrep/loss/workspace.hpp>

namespace umsrep::loss::detail {

/// The shortest text that reads back as the same number.
template <class Number>
std::string text(Number value) {
    char buffer[32];
    return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

inline std::string text(int n, shape s) { return text(n) + " x (" + text(s.c) + ", " + text(s.h) + ", " + text(s.w) + ")"; }

/// What `evaluate` is called with.
template <class T>
struct arguments {
    tensor_view<const T> logits;
    tensor_view<const float> target;
    std::span<const std::uint8_t> present;
    double weight;
    tensor_view<T> gradient;
    workspace room;

    bool has(int sample) const { return present.empty() || present[static_cast<std::size_t>(sample)] != 0; }
    int count_present() const {
        int count = 0;
        for (int i = 0; i < logits.n; ++i) count += has(i) ? 1 : 0;
        return count;
    }
    /// 1 / (present samples * `each`); 0 when there is none.
    double share(std::ptrdiff_t each) const {
        const int count = count_present();
        return count == 0 ? 0.0 : 1.0 / (static_cast<double>(count) * static_cast<double>(each));
    }

    /// Refuses what does not fit each other.
    void check(std::string_view loss, shape target_shape, std::size_t scratch_size) const {
        const auto entity = [&](const char* what) { return std::string{loss} + ' ' + what; };
        if (target.n != logits.n || target.s != target_shape)
            throw shape_mismatch(entity("target"), text(logits.n, target_shape), text(target.n, target.s));
        if (gradient && (gradient.n != logits.n || gradient.s != logits.s))
            throw shape_mismatch(entity("gradient"), text(logits.n, logits.s), text(gradient.n, gradient.s));
        if (!present.empty() && present.size() != static_cast<std::size_t>(logits.n))
            throw shape_mismatch(entity("presence mask"), text(logits.n) + " samples", text(present.size()));
        if (room.scratch.size() < scratch_size)
            throw shape_mismatch(entity("scratch"), "at least " + text(scratch_size) + " doubles", text(room.scratch.size()));
    }
};

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
    static bool accepts(float value) { return value >= 0.0f && value <= 1.0f; }
    void refuse(float value, int sample) const { refuse_target(loss, sample, "values in [0, 1]", value); }
};

/// A target that must be a number.
struct finite {
    std::string_view loss;
    static bool accepts(float value) { return std::isfinite(value); }
    void refuse(float value, int sample) const { refuse_target(loss, sample, "finite values", value); }
};

/// Looks at targets on several threads; afterwards `done` throws for the first that is refused, whichever thread met one first.
template <class T, class Rule>
class target_check {
public:
    target_check(const arguments<T>& a, Rule rule) : a_{a}, rule_{rule} {}

    /// Whether targets [begin, end) of a present sample are as they should be.
    bool passes(int sample, std::ptrdiff_t begin, std::ptrdiff_t end) {
        const float* t = a_.target.sample(sample);
        bool good = true;
        for (std::ptrdiff_t j = begin; j < end; ++j) good &= rule_.accepts(t[j]); // no early exit: the loop is for targets that are good
        if (!good) refused_.store(true, std::memory_order_relaxed);
        return good;
    }

    void done() const {
        if (!refused_.load(std::memory_order_relaxed)) return;
        for (int i = 0; i < a_.target.n; ++i)
            for (std::ptrdiff_t j = 0; a_.has(i) && j < a_.target.s.size(); ++j)
                if (const float value = a_.target.sample(i)[j]; !rule_.accepts(value)) rule_.refuse(value, i);
    }

private:
    const arguments<T>& a_;
    Rule rule_;
    std::atomic<bool> refused_{false};
};

} // namespace umsrep::loss::detail
