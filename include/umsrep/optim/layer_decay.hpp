// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/optim/parameter_group.hpp>

namespace umsrep::optim {

/// Where parameters [begin, end) stand between the input (depth 0) and the heads (the greatest depth).
struct parameter_depth {
    std::ptrdiff_t begin = 0, end = 0;
    int depth = 0;
    bool decays = true; ///< false for norms and biases: no weight decay
};

/// Layer-wise learning-rate decay: lr_scale = factor^(greatest depth - depth), so that the heads learn at the full rate and each
/// layer before them at `factor` times that of the next. Neighbours of equal scales become one group. `factor` 1 only separates
/// what decays from what does not. Source: Clark et al., "ELECTRA", ICLR 2020; Bao et al., "BEiT", ICLR 2022.
inline std::vector<parameter_group> layer_decay(std::span<const parameter_depth> ranges, double factor) {
    if (!(factor > 0.0 && factor <= 1.0)) throw option_error("layer decay factor", "a value in (0, 1]", std::to_string(factor));
    int deepest = 0;
    for (const parameter_depth& r : ranges) {
        if (r.depth < 0) throw option_error("layer depth", "a count from 0", std::to_string(r.depth));
        deepest = std::max(deepest, r.depth);
    }
    std::vector<parameter_depth> ordered(ranges.begin(), ranges.end());
    std::sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
    std::vector<parameter_group> groups;
    for (const parameter_depth& r : ordered) {
        if (r.begin == r.end) continue;
        parameter_group next{r.begin, r.end, std::pow(factor, deepest - r.depth), r.decays ? 1.0 : 0.0};
        if (!groups.empty() && groups.back().end == next.begin && groups.back().lr_scale == next.lr_scale &&
            groups.back().decay_scale == next.decay_scale) {
            next.begin = groups.back().begin;
            groups.back() = next;
        } else {
            groups.push_back(next);
        }
    }
    return groups;
}

} // namespace umsrep::optim
