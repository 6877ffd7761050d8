// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
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
    constexpr std::array<std::string_view, 5> names{"image", "mask", "class_index", "multi_label", "scalar"};
    return names[static_cast<std::size_t>(kind)];
}

constexpr std::string_view name(output_activation activation) {
    constexpr std::array<std::string_view, 3> names{"none", "sigmoid", "softmax"};
    return names[static_cast<std::size_t>(activation)];
}

namespace loss {

/// The same loss for another kind of target: `with_target<l2, target_kind::scalar>` teaches a regression.
template <class Loss, target_kind Kind>
struct with_target : Loss {
    static constexpr target_kind target = Kind;
};

} // namespace loss
} // namespace umsrep
