// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <ranges>
#include <span>
#include <vector>

namespace umsrep::statistics {

/// Which samples belong together, such as the images of one patient: they are not independent, and are drawn or left out as one.
class clusters {
public:
    /// One id (a name, a number) per sample. Clusters are numbered in the ids' order, so the order of the samples does not matter.
    template <std::ranges::forward_range Ids>
    explicit clusters(const Ids& ids) {
        std::vector<std::ranges::range_value_t<Ids>> distinct(std::ranges::begin(ids), std::ranges::end(ids));
        std::ranges::sort(distinct);
        distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
        for (const auto& id : ids)
            of_sample_.push_back(static_cast<std::uint32_t>(std::ranges::lower_bound(distinct, id) - distinct.begin()));
        count_ = distinct.size();
    }

    /// Every sample on its own.
    static clusters singletons(std::size_t samples) {
        std::vector<std::size_t> ids(samples);
        std::iota(ids.begin(), ids.end(), std::size_t{0});
        return clusters{ids};
    }

    std::size_t samples() const { return of_sample_.size(); }
    std::size_t count() const { return count_; }

    /// The cluster, in [0, count()), of each sample.
    std::span<const std::uint32_t> of_sample() const { return of_sample_; }

private:
    std::vector<std::uint32_t> of_sample_;
    std::size_t count_ = 0;
};

} // namespace umsrep::statistics
