// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <numbers>
#include <string>

#include <umsrep/core/error.hpp>

namespace umsrep::schedule {

/// What the learning rate is multiplied by; `step` counts from 0 what the caller counts, updates or epochs.
template <class S>
concept learning_rate = std::copyable<S> && requires(const S s, std::int64_t step) {
    { s.factor(step) } -> std::same_as<double>;
};

/// Always 1.
struct constant {
    double factor(std::int64_t) const { return 1.0; }
};

/// gamma^floor(step / every), as torch.optim.lr_scheduler.StepLR.
struct step {
    std::int64_t every = 30;
    double gamma = 0.1;

    double factor(std::int64_t at) const {
        if (every < 1) throw option_error("step schedule's every", "a count from 1", std::to_string(every));
        return std::pow(gamma, static_cast<double>(at / every));
    }
};

/// Linear warm-up from `warmup_start` to 1 in `warmup` steps, then half a cosine down to `minimum` at step `total`, where it stays.
/// As torch's LinearLR followed by CosineAnnealingLR. Source: Loshchilov & Hutter, "SGDR", ICLR 2017, eq. 5 (one period).
struct cosine {
    std::int64_t total = 0;     ///< steps of the whole run, warm-up included
    std::int64_t warmup = 0;    ///< steps
    double minimum = 0.0;       ///< a fraction of the learning rate
    double warmup_start = 0.01; ///< a fraction of the learning rate

    double factor(std::int64_t at) const {
        if (warmup < 0 || total <= warmup)
            throw option_error("cosine schedule's total", "more than its " + std::to_string(warmup) + " steps of warm-up",
                               std::to_string(total));
        if (at < warmup) return warmup_start + (1.0 - warmup_start) * static_cast<double>(at) / static_cast<double>(warmup);
        const double progress = std::min(1.0, static_cast<double>(at - warmup) / static_cast<double>(total - warmup));
        return minimum + (1.0 - minimum) * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
    }
};

/// Multiplies the factor by `gamma` whenever `observe` has seen more than `patience` metrics in a row without a better one; as
/// torch.optim.lr_scheduler.ReduceLROnPlateau with a relative threshold. A metric that is not finite is never better.
struct plateau {
    /// Everything that changes: save it, assign it back, and the schedule goes on as if nothing had happened.
    struct memory {
        double best = std::numeric_limits<double>::quiet_NaN(); ///< NaN: nothing seen yet
        std::int64_t wait = 0;                                  ///< metrics since the best one, outside cooldown
        std::int64_t cooldown = 0;                              ///< metrics still to pass before waiting counts again
        double factor = 1.0;
    };

    bool maximise = false; ///< whether a greater metric is better
    double gamma = 0.1;
    std::int64_t patience = 10;
    double threshold = 1e-4;   ///< the share of the best by which a metric must be better
    std::int64_t cooldown = 0; ///< metrics to let pass after a reduction
    double minimum = 0.0;      ///< least factor
    memory state = {};

    double factor(std::int64_t = 0) const { return state.factor; }

    /// Takes the metric of one validation and returns the factor from now on.
    double observe(double metric) {
        if (better(metric)) {
            state.best = metric;
            state.wait = 0;
        } else {
            ++state.wait;
        }
        if (state.cooldown > 0) {
            --state.cooldown;
            state.wait = 0;
        }
        if (state.wait > patience) {
            state.factor = std::max(state.factor * gamma, minimum);
            state.cooldown = cooldown;
            state.wait = 0;
        }
        return state.factor;
    }

private:
    bool better(double metric) const {
        if (!std::isfinite(metric)) return false;
        if (std::isnan(state.best)) return true;
        return maximise ? metric > state.best * (1.0 + threshold) : metric < state.best * (1.0 - threshold);
    }
};

} // namespace umsrep::schedule
