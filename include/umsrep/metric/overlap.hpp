// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/metric/classification.hpp>

namespace umsrep::metric {

/// Pixel counts of a predicted mask A and a true mask B. Adding two of them pools their pixels.
struct overlap {
    std::uint64_t both = 0;      ///< |A and B|
    std::uint64_t predicted = 0; ///< |A|
    std::uint64_t truth = 0;     ///< |B|

    constexpr overlap& operator+=(const overlap& other) {
        both += other.both;
        predicted += other.predicted;
        truth += other.truth;
        return *this;
    }
    friend constexpr bool operator==(const overlap&, const overlap&) = default;
};

/// Dice = 2 |A and B| / (|A| + |B|), in [0, 1]. Two empty masks agree: 1.
constexpr double dice(const overlap& o) {
    const auto sum = static_cast<double>(o.predicted + o.truth);
    return sum == 0.0 ? 1.0 : 2.0 * static_cast<double>(o.both) / sum;
}

/// IoU (Jaccard) = |A and B| / |A or B|, in [0, 1]. Two empty masks agree: 1.
constexpr double iou(const overlap& o) {
    const auto either = static_cast<double>(o.predicted + o.truth - o.both);
    return either == 0.0 ? 1.0 : static_cast<double>(o.both) / either;
}

/// Overlap of one predicted mask (probabilities; a pixel is in when it is > `threshold`; for logits pass 0) with the true mask
/// (exactly 0 or 1). @throws shape_mismatch, label_error for another mask value, error for a NaN prediction
inline overlap overlap_of(std::span<const float> predicted, std::span<const float> truth, float threshold = 0.5f) {
    if (predicted.size() != truth.size())
        throw shape_mismatch("predicted mask", std::to_string(truth.size()) + " pixels", std::to_string(predicted.size()));
    overlap result;
    for (std::size_t i = 0; i < truth.size(); ++i) {
        if (truth[i] != 0.0f && truth[i] != 1.0f) throw label_error("mask pixel", "0 or 1", std::to_string(truth[i]));
        if (std::isnan(predicted[i])) throw error("predicted mask", "numbers", "NaN");
        const bool in_prediction = predicted[i] > threshold, in_truth = truth[i] == 1.0f;
        result.predicted += in_prediction;
        result.truth += in_truth;
        result.both += in_prediction && in_truth;
    }
    return result;
}

/// Overlap of class `label` in two maps of class indices. @throws shape_mismatch
inline overlap overlap_of(std::span<const int> predicted, std::span<const int> truth, int label) {
    if (predicted.size() != truth.size())
        throw shape_mismatch("predicted class map", std::to_string(truth.size()) + " pixels", std::to_string(predicted.size()));
    overlap result;
    for (std::size_t i = 0; i < truth.size(); ++i) {
        result.predicted += predicted[i] == label;
        result.truth += truth[i] == label;
        result.both += predicted[i] == label && truth[i] == label;
    }
    return result;
}

/// Dice and IoU of a set of images, both ways of averaging, which differ: *pooled* counts the pixels of all images as one image
/// (large structures weigh more), *per image* averages the ratios of the images (each image weighs the same).
class mask_overlap {
public:
    void add(const overlap& image) {
        images_.push_back(image);
        pooled_ += image;
    }

    /// A batch of `images` masks of equal size, (images, H, W). Nothing is added when anything is wrong.
    /// @throws shape_mismatch when the sizes differ or do not divide, and as `overlap_of`
    void add(std::span<const float> predicted, std::span<const float> truth, std::size_t images = 1, float threshold = 0.5f) {
        if (predicted.size() != truth.size())
            throw shape_mismatch("predicted masks", std::to_string(truth.size()) + " pixels", std::to_string(predicted.size()));
        if (images == 0 || truth.size() % images != 0)
            throw shape_mismatch("masks", "pixels of " + std::to_string(images) + " equal images", std::to_string(truth.size()));
        const std::size_t pixels = truth.size() / images;
        std::vector<overlap> batch;
        for (std::size_t i = 0; i < images; ++i)
            batch.push_back(overlap_of(predicted.subspan(i * pixels, pixels), truth.subspan(i * pixels, pixels), threshold));
        for (const overlap& image : batch) add(image);
    }

    /// One entry per image in the order added, for intervals and paired tests.
    const std::vector<overlap>& images() const { return images_; }
    const overlap& pooled() const { return pooled_; }

    /// NaN while no image was added; so are the three below.
    double pooled_dice() const { return images_.empty() ? undefined : dice(pooled_); }
    double pooled_iou() const { return images_.empty() ? undefined : iou(pooled_); }
    double mean_dice() const { return mean([](const overlap& o) { return dice(o); }); }
    double mean_iou() const { return mean([](const overlap& o) { return iou(o); }); }

private:
    template <class Ratio>
    double mean(Ratio&& of) const {
        double sum = 0.0;
        for (const overlap& image : images_) sum += of(image);
        return ratio(sum, static_cast<double>(images_.size()));
    }

    std::vector<overlap> images_;
    overlap pooled_;
};

} // namespace umsrep::metric
