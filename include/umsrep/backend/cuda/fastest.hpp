// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include <umsrep/core/error.hpp>

namespace umsrep::cuda {

/// By how much a candidate must be faster than one that was offered before it: what lies closer is noise, and by noise nothing is chosen.
inline constexpr double clearly_faster = 0.95;

/// Of several ways to compute the same thing, the fastest, as what `make` makes of it. Knows nothing of devices.
///
/// `list(n, few)`: the first n candidates, the most promising first; each has `workspace`, the bytes of scratch memory that it needs. Where a
/// `few` will do, those that are dear to make may be left out.
/// `make(candidate)`: what can be run. `seconds(made, least)`: how long a run takes, where `least` is the best so far: who sees that it is
/// far from that need not be exact. Either may throw device_error: that candidate is passed over.
///
/// Of the first `most` candidates, those that need no more than `workspace` and run are timed. Only where there is none, more are listed, of
/// which the first `most` that run are timed; and only where none of these runs, those that need more, from the smallest on. Throws
/// device_error with `name`, and what was wrong with the first candidate, where none is left.
template <class List, class Make, class Seconds>
auto fastest(const std::string& name, std::size_t most, std::int64_t workspace, List list, Make make, Seconds seconds) {
    std::optional<decltype(make(std::move(list(most, true).front())))> best;
    std::string refusal = "none";
    const auto time_those = [&](auto first, auto last) {
        double least = std::numeric_limits<double>::infinity();
        for (std::size_t timed = 0; first != last && timed < most; ++first) {
            try {
                auto made = make(std::move(*first));
                const double time = seconds(made, least);
                ++timed;
                if (best && time >= clearly_faster * least) continue;
                least = time;
                best.emplace(std::move(made));
            } catch (const device_error& e) {
                if (refusal == "none") refusal = e.what();
            }
        }
        return best.has_value();
    };
    constexpr std::size_t many = 32; // to list them all takes long, and the first ones mostly do
    for (const bool again : {false, true}) {
        auto candidates = list(again ? std::max(most, many) : most, !again);
        const auto small = [&](const auto& c) { return c.workspace <= workspace; };
        const auto large = std::stable_partition(candidates.begin(), candidates.end(), small);
        std::stable_sort(large, candidates.end(), [](const auto& a, const auto& b) { return a.workspace < b.workspace; });
        if (time_those(candidates.begin(), large) || (again && time_those(large, candidates.end()))) break;
    }
    if (!best) throw device_error(name, "a plan that runs", refusal);
    return std::move(*best);
}

} // namespace umsrep::cuda
