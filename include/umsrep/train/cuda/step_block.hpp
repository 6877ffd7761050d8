// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include <umsrep/backend/cuda/kernel/optimizer.cuh>
#include <umsrep/core/shape.hpp>
#include <umsrep/data/batch.hpp>

namespace umsrep::cuda {

/// All that the host tells a device of one step, as one block of memory, laid out alike on both: one copy brings it over.
class step_block {
public:
    /// `parts`: stages and heads. `targets`: what each head's loss wants of a sample.
    step_block(shape image, unsigned parts, std::vector<shape> targets, int capacity) : image_{image}, targets_{std::move(targets)} {
        const auto samples = static_cast<std::size_t>(capacity);
        take(sizeof(kernel::step_order));
        moves_ = take(parts * sizeof(kernel::u32));
        weights_ = take(targets_.size() * sizeof(float));
        for (const shape& s : targets_) {
            present_.push_back(take(samples));
            target_.push_back(take(samples * size_of(s) * sizeof(float)));
        }
        images_ = take(samples * size_of(image) * sizeof(float));
    }

    std::size_t bytes() const { return end_; }
    std::size_t heads() const { return targets_.size(); }
    const shape& target_of(std::size_t h) const { return targets_[h]; }

    /// Where things are in a block.
    kernel::step_order* order(void* block) const { return static_cast<kernel::step_order*>(block); }
    kernel::u32* moves(void* block) const { return at<kernel::u32>(block, moves_); }
    float* weights(void* block) const { return at<float>(block, weights_); }
    unsigned char* present(void* block, std::size_t h) const { return at<unsigned char>(block, present_[h]); }
    float* target(void* block, std::size_t h) const { return at<float>(block, target_[h]); }
    float* images(void* block) const { return at<float>(block, images_); }

    /// Copies a batch into a block of the host.
    void put(const data::batch& b, void* block) const {
        for (std::size_t h = 0; h < heads(); ++h) {
            const data::batch::labels& labels = b.heads[h];
            std::copy(labels.present.begin(), labels.present.end(), present(block, h));
            std::copy(labels.values.begin(), labels.values.end(), target(block, h));
        }
        std::copy(b.images.begin(), b.images.end(), images(block));
    }

private:
    static std::size_t size_of(const shape& s) { return static_cast<std::size_t>(s.size()); }
    std::size_t take(std::size_t bytes) { return std::exchange(end_, end_ + (bytes + 255) / 256 * 256); }
    template <class T>
    static T* at(void* block, std::size_t offset) {
        return reinterpret_cast<T*>(static_cast<std::byte*>(block) + offset);
    }

    shape image_;
    std::vector<shape> targets_;
    std::vector<std::size_t> present_, target_;
    std::size_t end_ = 0, moves_ = 0, weights_ = 0, images_ = 0;
};

} // namespace umsrep::cuda
