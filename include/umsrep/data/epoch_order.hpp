// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <umsrep/core/random.hpp>

namespace umsrep::data {

/// One sample of a batch: from which source, which sample, and how many were drawn from that source since epoch 0 (the index of
/// the stream from which it is augmented).
struct draw {
    std::size_t source = 0, index = 0;
    std::uint64_t number = 0;
    friend bool operator==(const draw&, const draw&) = default;
};

/// How many samples a source has, and how many of them go into each batch.
struct quota {
    std::size_t size = 0, per_batch = 0;
};

struct order_options {
    seed random{0};
    bool shuffle = true;
    bool drop_last = false; ///< leave out the last batch of an epoch when the first source cannot fill its part
};

inline std::size_t batches_per_epoch(std::span<const quota> sources, const order_options& options) {
    const auto [size, per_batch] = sources.front();
    return options.drop_last ? size / per_batch : (size + per_batch - 1) / per_batch;
}

/// The batches of an epoch, a pure function of its arguments. The first source is gone through once per epoch; the others give
/// their part to every batch and start over, in a new order, whenever they are exhausted, also across epochs.
inline std::vector<std::vector<draw>> epoch_order(std::span<const quota> sources, std::uint64_t epoch,
                                                  const order_options& options) {
    const auto order_of_round = [&](std::size_t source, std::uint64_t round) {
        std::vector<std::size_t> order(sources[source].size);
        std::iota(order.begin(), order.end(), std::size_t{0});
        if (options.shuffle) {
            random_stream random{options.random, "order " + std::to_string(source), round};
            shuffle(order, random);
        }
        return order;
    };

    const std::uint64_t count = batches_per_epoch(sources, options);
    std::vector<std::vector<draw>> batches(static_cast<std::size_t>(count));
    for (std::size_t s = 0; s < sources.size(); ++s) {
        const std::uint64_t size = sources[s].size, per_batch = sources[s].per_batch;
        const std::uint64_t first = s == 0 ? epoch * size : epoch * count * per_batch;
        const std::uint64_t end = first + (s == 0 ? std::min(size, count * per_batch) : count * per_batch);
        std::uint64_t round = first / size;
        std::vector<std::size_t> order = order_of_round(s, round);
        for (std::uint64_t number = first; number < end; ++number) {
            if (number / size != round) order = order_of_round(s, round = number / size);
            batches[static_cast<std::size_t>((number - first) / per_batch)].push_back(
                {s, order[static_cast<std::size_t>(number % size)], number});
        }
    }
    return batches;
}

} // namespace umsrep::data
