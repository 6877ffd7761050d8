// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

namespace umsrep {

/// What a head is taught with; every target of one sample has three axes (C, H, W).
enum class target_kind : std::uint8_t {
    image,       ///< as the output, finite, usually in [0, 1]
    mask,        ///< as the output, in [0, 1]
    class_index, ///< (1, 1, 1) or, for a dense map, (1, H, W): integers in [0, classes), or the ignore label
    multi_label, ///< (labels, 1, 1), in [0, 1]
    scalar,      ///< (1, 1, 1), finite
};

/// What turns a head's logits into its prediction; a loss takes logits and names the activation that belongs to it.
enum class output_activation : std::uint8_t { none, sigmoid, softmax };

constexpr std::string_view name(target_kind kind) {
    switch (kind) {
    case target_kind::image: return "image";
    case target_kind::mask: return "mask";
    case target_kind::class_index: return "class_index";
    case target_kind::multi_label: return "multi_label";
    case target_kind::scalar: return "scalar";
    }
    return "unknown";
}

constexpr std::string_view name(output_activation activation) {
    switch (activation) {
    case output_activation::none: return "none";
    case output_activation::sigmoid: return "sigmoid";
    case output_activation::softmax: return "softmax";
    }
    return "unknown";
}

namespace loss {

/// The same loss for another kind of target: `with_target<l2, target_kind::scalar>` teaches a regression.
template <class Loss, target_kind Kind>
struct with_target : Loss {
    static constexpr target_kind target = Kind;
};

} // namespace loss
} // namespace umsrep
