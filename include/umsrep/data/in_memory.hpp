// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <umsrep/core/random.hpp>
#include <umsrep/data/dataset.hpp>

namespace umsrep::data {

/// Keeps samples once they were made (read, decoded, resized), up to `largest_bytes` of pixels; those beyond are made anew each
/// time. What is random in the base dataset is frozen: sample i is always made from the stream (seed{0}, "in_memory", i), so put
/// augmentation around this, not inside.
template <dataset D>
class in_memory {
public:
    explicit in_memory(D base, std::size_t largest_bytes = std::size_t{4} << 30)
        : base_{std::move(base)}, largest_bytes_{largest_bytes}, kept_{std::make_unique<kept>(base_.size())} {}

    std::size_t size() const { return base_.size(); }

    sample get(std::size_t index, random_stream&) const {
        if (const auto found = look_up(index)) return *found;
        random_stream frozen{seed{0}, "in_memory", index};
        auto made = std::make_shared<const sample>(base_.get(index, frozen)); // not under the lock: two threads may both make it
        keep(index, made);
        return *made;
    }

    /// Bytes of pixels held now.
    std::size_t bytes() const {
        const std::lock_guard lock{kept_->mutex};
        return kept_->bytes;
    }

private:
    struct kept {
        explicit kept(std::size_t size) : samples(size) {}
        std::mutex mutex;
        std::vector<std::shared_ptr<const sample>> samples;
        std::size_t bytes = 0;
    };

    std::shared_ptr<const sample> look_up(std::size_t index) const {
        const std::lock_guard lock{kept_->mutex};
        return kept_->samples.at(index);
    }

    void keep(std::size_t index, const std::shared_ptr<const sample>& made) const {
        std::size_t size = made->image.size() * sizeof(float);
        for (const label& l : made->labels) size += l.value.size() * sizeof(float);
        const std::lock_guard lock{kept_->mutex};
        if (kept_->samples[index] == nullptr && kept_->bytes + size <= largest_bytes_) {
            kept_->samples[index] = made;
            kept_->bytes += size;
        }
    }

    D base_;
    std::size_t largest_bytes_;
    std::unique_ptr<kept> kept_;
};

} // namespace umsrep::data
