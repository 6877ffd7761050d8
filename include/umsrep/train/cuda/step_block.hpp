// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <umsrep/backend/cuda/kernel/change_pixels.cuh>
#include <umsrep/backend/cuda/kernel/optimizer.cuh>
#include <umsrep/core/shape.hpp>
#include <umsrep/data/batch.hpp>

namespace umsrep::cuda {

/// All that the host tells a device of one step, as one block of memory, laid out alike on both: one copy brings it over.
class step_block {
public:
    /// `parts`: stages and heads. `targets`: what each head's loss wants of a sample.
    step_block(shape image, unsigned parts, std::vector<shape> targets, int capacity)
        : image_{image}, targets_{std::move(targets)} {
        const auto samples = static_cast<std::size_t>(capacity);
        take(sizeof(kernel::step_order));
        moves_ = take(parts * sizeof(kernel::u32));
        weights_ = take(targets_.size() * sizeof(float));
        for (const shape& s : targets_) {
            present_.push_back(take(samples));
            target_.push_back(take(samples * size_of(s) * sizeof(float)));
        }
        images_ = take(samples * size_of(image) * sizeof(float));
        changes_ = take((1 + heads()) * samples * sizeof(kernel::pixel_changes));
        samples_ = samples;
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
        put(b.changes, changes(block, 0));
        for (std::size_t h = 0; h < heads(); ++h) put(b.heads[h].changes, changes(block, 1 + h));
        for (std::size_t h = 0; h < heads(); ++h) {
            const data::batch::labels& labels = b.heads[h];
            std::copy(labels.present.begin(), labels.present.end(), present(block, h));
            std::copy(labels.values.begin(), labels.values.end(), target(block, h));
        }
        std::copy(b.images.begin(), b.images.end(), images(block));
    }

    /// Of a batch, what has changes that are not computed: bit 0 its images, bit 1 + h the labels of head h.
    static std::uint64_t changed(const data::batch& b) {
        std::uint64_t result = b.changes.empty() ? 0 : 1;
        for (std::size_t h = 0; h < b.heads.size(); ++h)
            if (!b.heads[h].changes.empty()) result |= std::uint64_t{2} << h;
        return result;
    }
    /// From a batch of n in one block of the device to another: what has changes, computed.
    template <class Machine>
    void enqueue_changes(Machine& m, void* from, void* to, int n, std::uint64_t changed) const {
        const auto change = [&](std::size_t which, const shape& s, const float* in, float* out) {
            if (((changed >> which) & 1U) == 0) return;
            const auto u = [](int v) { return static_cast<kernel::u32>(v); };
            m.launch(kernel::change_pixels{{u(n), u(s.h), u(s.w), u(s.c)}, changes(from, which), in, out});
        };
        change(0, image_, images(from), images(to));
        for (std::size_t h = 0; h < heads(); ++h) change(1 + h, targets_[h], target(from, h), target(to, h));
    }

private:
    kernel::pixel_changes* changes(void* block, std::size_t which) const {
        return at<kernel::pixel_changes>(block, changes_) + which * samples_;
    }
    static void put(const std::vector<data::pixel_changes>& from, kernel::pixel_changes* to) {
        for (const data::pixel_changes& c : from) *to++ = as_told(c);
    }
    static kernel::pixel_changes as_told(const data::pixel_changes& c) {
        kernel::pixel_changes result{};
        if (c.map) {
            result.how = c.how == data::resampling::vote ? kernel::moving::by_vote : kernel::moving::by_average;
            result.xx = c.map->xx, result.xy = c.map->xy, result.x0 = c.map->x0;
            result.yx = c.map->yx, result.yy = c.map->yy, result.y0 = c.map->y0;
        }
        if (c.grey) {
            result.graded = true;
            result.gamma = c.grey->gamma, result.contrast = c.grey->contrast, result.brightness = c.grey->brightness;
        }
        if (!c.noise) return result;
        result.noisy = true;
        const auto key = c.noise->random.key(), tag = c.noise->random.tag();
        result.random = {{key[0], key[1]}, {tag[0], tag[1]}};
        result.position = c.noise->random.position();
        result.deviation = c.noise->deviation;
        result.clamped = c.noise->clamped;
        return result;
    }
    static std::size_t size_of(const shape& s) { return static_cast<std::size_t>(s.size()); }
    std::size_t take(std::size_t bytes) { return std::exchange(end_, end_ + (bytes + 255) / 256 * 256); }
    template <class T>
    static T* at(void* block, std::size_t offset) {
        return reinterpret_cast<T*>(static_cast<std::byte*>(block) + offset);
    }

    shape image_;
    std::vector<shape> targets_;
    std::vector<std::size_t> present_, target_;
    std::size_t end_ = 0, moves_ = 0, weights_ = 0, images_ = 0, changes_ = 0, samples_ = 0;
};

} // namespace umsrep::cuda
