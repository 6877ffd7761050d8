// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <umsrep/train/history.hpp>

namespace umsrep {

/// Where a run is.
struct training_progress {
    std::int64_t epoch = 0, batch = 0;          ///< of the next batch
    std::int64_t steps = 0, average_updates = 0;
    std::int64_t wait = 0, stopped = 0;
    std::int64_t skipped = 0;                   ///< steps of the epoch so far, see epoch_record
    std::vector<double> loss_sum, loss_count;   ///< per head, of the epoch so far
    double best = std::numeric_limits<double>::infinity();

    /// Shows all of it to an archive, as `trainer::archive` does.
    template <class Archive>
    void archive(Archive& a) {
        a.number("epoch", epoch);
        a.number("batch", batch);
        a.number("steps", steps);
        a.number("average_updates", average_updates);
        a.number("wait", wait);
        a.number("stopped", stopped);
        a.number("skipped", skipped);
        a.values("loss_sum", std::span<double>(loss_sum));
        a.values("loss_count", std::span<double>(loss_count));
        a.values("best_monitor", std::span<double>(&best, 1));
    }
};

/// Shows the epochs of a history of `heads` heads to an archive, as rows of numbers.
template <class Archive>
void archive_epochs(Archive& a, history& past, std::size_t heads) {
    std::vector<double> flat;
    for (const epoch_record& r : past.epochs) {
        flat.insert(flat.end(), {static_cast<double>(r.epoch), r.learning_rate, r.monitor, r.best ? 1.0 : 0.0, r.seconds,
                                static_cast<double>(r.skipped_steps), r.loss_scale});
        flat.insert(flat.end(), r.train_loss.begin(), r.train_loss.end());
        flat.insert(flat.end(), r.valid_loss.begin(), r.valid_loss.end());
    }
    constexpr std::size_t numbers = 7;
    const std::size_t row = numbers + 2 * heads;
    a.list("history", flat, row, std::numeric_limits<std::size_t>::max());
    past.epochs.clear();
    for (std::size_t i = 0; i + row <= flat.size(); i += row) {
        const auto at = flat.begin() + static_cast<std::ptrdiff_t>(i), losses_at = at + numbers;
        const auto middle = losses_at + static_cast<std::ptrdiff_t>(heads), end = middle + static_cast<std::ptrdiff_t>(heads);
        past.epochs.push_back({static_cast<int>(at[0]), at[1], {losses_at, middle}, {middle, end}, at[2], at[3] != 0, at[4],
                               static_cast<std::int64_t>(at[5]), at[6]});
    }
}

} // namespace umsrep
