// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <umsrep/core/aligned_array.hpp>
#include <umsrep/core/error.hpp>
#include <umsrep/core/hash_name.hpp>
#include <umsrep/data/batch.hpp>
#include <umsrep/model.hpp>

namespace umsrep {

/// Where a sample comes from: files of training and of validation may have the same names.
enum class sample_set : std::uint8_t { training, validation };

/// What frozen stages give for each sample, computed when the sample is first seen and kept by its group and id. For strategies that are
/// `cached`: valid as long as nobody moves the frozen weights and statistics.
template <class Backend>
class feature_cache {
    using T = typename Backend::scalar;

public:
    /// `how`: the mode of the strategy's step, of all its heads. `g` and `pool` must outlive this. Samples beyond `largest_bytes` are
    /// computed anew each time.
    feature_cache(const graph& g, mode how, int capacity, thread_pool& pool, std::shared_ptr<executor_memory<T>> memory,
                  std::size_t largest_bytes)
        : encoder_{g, frozen_stages(how), capacity, pool, std::move(memory)},
          pixels_{static_cast<std::size_t>(g[0].out.size())},
          largest_bytes_{largest_bytes} {
        const std::vector<node_plan>& plans = encoder_.plan().nodes;
        for (int i = 0; i < g.size(); ++i)
            if (plans[static_cast<std::size_t>(i)].wanted) {
                borders_.push_back({i, size_, static_cast<std::size_t>(g[i].out.size())});
                size_ += borders_.back().size;
            }
        const std::size_t n = static_cast<std::size_t>(capacity);
        images_.resize(n * pixels_);
        fresh_ = aligned_array<T>(n * size_);
        std::size_t largest = 0;
        for (const border& of : borders_) largest = std::max(largest, of.size);
        together_ = aligned_array<T>(n * largest);
        rows_.resize(n);
        missing_.reserve(n);
    }

    /// Gives the features of a batch to the plan that wants them. Throws option_error naming a sample whose image is another than before.
    /// `set`: of samples that are told apart by group and id; another one may have the same.
    void give(executor<Backend>& to, const data::batch& b, const model_arrays<T>& arrays, sample_set set) {
        compute_missing(b, arrays, set);
        const int n = static_cast<int>(b.size());
        for (const border& of : borders_) {
            if (!to.plan().nodes[static_cast<std::size_t>(of.node)].given) continue;
            T* const at = together_.data();
            for (std::size_t i = 0; i < b.size(); ++i) std::copy_n(rows_[i].at(of), of.size, at + i * of.size);
            to.set_value(of.node, n, at);
        }
        to.set_input(n, b.images.data()); // where heads read the image itself
    }

    void forget() {
        kept_.clear();
        bytes_ = 0;
    }
    std::size_t samples() const { return kept_.size(); }
    /// Of the features kept.
    std::size_t bytes() const { return bytes_; }
    /// How many samples the frozen stages have been run on.
    std::size_t computed() const { return computed_; }

private:
    /// A value that the frozen stages hand over.
    struct border {
        int node;
        std::size_t offset, size; ///< in the features of one sample
    };
    struct features {
        std::uint64_t image; ///< a hash of the pixels
        std::vector<T> values;
    };
    /// Where a sample of the batch has its features: among those kept, or in a batch just computed.
    struct row {
        const T* kept = nullptr;
        const T* batch = nullptr;
        std::size_t samples = 0, place = 0; ///< of that batch
        const T* at(const border& of) const { return kept != nullptr ? kept + of.offset : batch + samples * of.offset + place * of.size; }
    };

    static mode frozen_stages(mode m) {
        m.computes = portion::frozen_stages;
        m.checkpoint = false;
        return m;
    }

    void name_sample(sample_set set, const data::batch& b, std::size_t i) {
        name_ = set == sample_set::training ? 't' : 'v';
        name_ += b.groups[i];
        name_ += '\n';
        name_ += b.ids[i];
    }

    void compute_missing(const data::batch& b, const model_arrays<T>& arrays, sample_set set) {
        missing_.clear();
        for (std::size_t i = 0; i < b.size(); ++i) {
            const float* const image = b.images.data() + i * pixels_;
            name_sample(set, b, i);
            const std::uint64_t now = hash_of(image);
            const auto found = kept_.find(name_);
            if (found == kept_.end()) {
                std::copy_n(image, pixels_, images_.data() + missing_.size() * pixels_);
                missing_.push_back({i, now});
                continue;
            }
            if (found->second.image != now)
                throw option_error("cached features of sample '" + b.ids[i] + "'", "the same image each time, and ids of one sample each",
                                   "another image (random augmentation?)");
            rows_[i] = {found->second.values.data(), nullptr, 0, 0};
        }
        if (missing_.empty()) return;
        const std::size_t n = missing_.size();
        encoder_.set_input(static_cast<int>(n), images_.data());
        encoder_.run(static_cast<int>(n), arrays, seed{0}, 0, [](int, tensor_view<T>, tensor_view<T>) {});
        for (const border& of : borders_) encoder_.get_value(of.node, static_cast<int>(n), fresh_.data() + n * of.offset);
        computed_ += n;
        for (std::size_t k = 0; k < n; ++k) {
            const std::size_t i = missing_[k].sample;
            rows_[i] = {nullptr, fresh_.data(), n, k};
            if (bytes_ + size_ * sizeof(T) > largest_bytes_) continue;
            name_sample(set, b, i);
            const auto [entry, is_new] = kept_.try_emplace(name_, features{missing_[k].image, {}});
            if (!is_new) continue; // the sample is in the batch twice
            std::vector<T>& values = entry->second.values;
            values.reserve(size_);
            for (const border& of : borders_) values.insert(values.end(), rows_[i].at(of), rows_[i].at(of) + of.size);
            bytes_ += size_ * sizeof(T);
        }
    }

    /// FNV-1a over words rather than bytes: a look at the image must cost less than a small head.
    std::uint64_t hash_of(const float* image) const {
        std::uint64_t hash = hash_name({});
        for (std::size_t i = 0; i < pixels_; ++i) hash = (hash ^ std::bit_cast<std::uint32_t>(image[i])) * 0x100000001b3;
        return hash;
    }

    struct absent {
        std::size_t sample;
        std::uint64_t image;
    };

    executor<Backend> encoder_;
    std::vector<border> borders_;
    std::size_t pixels_, size_ = 0, largest_bytes_, bytes_ = 0, computed_ = 0;
    std::unordered_map<std::string, features> kept_;
    std::vector<float> images_;
    aligned_array<T> fresh_, together_;
    std::vector<row> rows_;
    std::vector<absent> missing_;
    std::string name_;
};

} // namespace umsrep
