// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include <Eigen/Core>

#include <umsrep/core/error.hpp>
#include <umsrep/core/pieces.hpp>

namespace umsrep::optim {

/// Exponential moving average of weights, average += (1 - d) (w - average), as torch.optim.swa_utils.AveragedModel with
/// get_ema_multi_avg_fn: the first update copies. With `warmup` the decay starts low and rises to `decay` as timm's ModelEmaV3,
/// d = 1 - (1 + n)^(-2/3) after n updates, so that a short run does not average in its beginning. Source: Polyak & Juditsky, 1992.
struct ema {
    double decay = 0.999;
    bool warmup = false;

    /// The decay of the update that follows `updates` earlier ones; 0 for the first.
    double decay_after(std::int64_t updates) const {
        if (!(decay >= 0.0 && decay <= 1.0)) throw option_error("ema decay", "a value in [0, 1]", std::to_string(decay));
        if (updates <= 0) return 0.0;
        return warmup ? std::min(decay, 1.0 - std::pow(1.0 + static_cast<double>(updates), -2.0 / 3.0)) : decay;
    }

    template <class T>
    void update(std::span<T> average, std::span<const std::type_identity_t<T>> w, std::int64_t updates, thread_pool* pool = nullptr) const {
        if (average.size() != w.size())
            throw shape_mismatch("ema average", std::to_string(w.size()) + " elements", std::to_string(average.size()));
        const double d = decay_after(updates);
        const auto gain = static_cast<T>(1.0 - d);
        for_pieces(pool, {static_cast<std::ptrdiff_t>(w.size()), 1 << 16}, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
            using values = Eigen::Array<T, Eigen::Dynamic, 1>;
            Eigen::Map<values> a{average.data() + begin, end - begin};
            const Eigen::Map<const values> x{w.data() + begin, end - begin};
            if (d == 0.0) a = x; // exactly the weights, whatever the average held
            else a += gain * (x - a);
        });
    }
};

} // namespace umsrep::optim
