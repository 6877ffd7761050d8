// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <xtensor/xtensor.hpp>

#include <umsrep/core/shape.hpp>
#include <umsrep/data/pixel_changes.hpp>

namespace umsrep::data {

/// One image or one head's target: channels, height, width; row-major; an image is float in [0, 1].
using tensor = xt::xtensor<float, 3>;

/// A tensor of this shape, its elements not set.
inline tensor uninitialized(shape s) {
    return tensor::from_shape(
        std::array{static_cast<std::size_t>(s.c), static_cast<std::size_t>(s.h), static_cast<std::size_t>(s.w)});
}

inline shape shape_of(const tensor& t) {
    return {static_cast<int>(t.shape()[0]), static_cast<int>(t.shape()[1]), static_cast<int>(t.shape()[2])};
}

/// "(1, 128, 128)": channels, height, width.
inline std::string to_string(shape s) {
    return "(" + std::to_string(s.c) + ", " + std::to_string(s.h) + ", " + std::to_string(s.w) + ")";
}

/// What a change of the image's geometry does to a label.
enum class label_kind {
    values, ///< class index (1, 1, 1), multi-label (L, 1, 1), scalar (1, 1, 1): nothing
    mask,   ///< mask or class map (C, H, W): moves with the image, nearest neighbour, so that no new value appears
    image,  ///< (C, H, W): moves with the image, interpolated like it
};

struct label {
    std::string head;
    tensor value;
    label_kind kind = label_kind::values;
    pixel_changes changes = {}; ///< of its pixels, that are not computed yet
};

/// One image with what is known of it. A head without a label here is not trained or scored on this sample.
struct sample {
    std::string id;    ///< names the sample in messages and results: its file, as a rule
    std::string group; ///< the dataset that it comes from; results are also given per group
    tensor image;
    std::vector<label> labels;
    bool records = false;       ///< transforms that can record changes of pixels do so, see data/compute.hpp
    pixel_changes changes = {}; ///< of the image's pixels, that are not computed yet

    /// Whether something is recorded and not computed.
    bool has_changes() const {
        return changes.any() || std::ranges::any_of(labels, [](const label& l) { return l.changes.any(); });
    }

    /// Null when the head is not labelled.
    const label* find(std::string_view head) const {
        for (const label& l : labels) {
            if (l.head == head) return &l;
        }
        return nullptr;
    }

    /// Replaces an earlier label of the same head.
    void set(std::string_view head, tensor value, label_kind kind) {
        for (label& l : labels) {
            if (l.head == head) {
                l.value = std::move(value);
                l.kind = kind;
                l.changes = {};
                return;
            }
        }
        labels.push_back({std::string{head}, std::move(value), kind});
    }

    /// The image as it is now, with what is recorded of it, becomes the target of a head: of a denoising pair, before the noise.
    void set_to_image(std::string_view head) {
        set(head, image, label_kind::image);
        std::ranges::find(labels, head, &label::head)->changes = changes;
    }

    /// A class index or a scalar.
    void set(std::string_view head, float value) {
        tensor one = uninitialized({1, 1, 1});
        one(0, 0, 0) = value;
        set(head, std::move(one), label_kind::values);
    }
};

} // namespace umsrep::data
