// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <umsrep/core/shape.hpp>
#include <umsrep/graph/node.hpp>

namespace umsrep {

constexpr bool any_operation(const node&) { return true; }

/// How a backend stores activations: all that the planner has to know of it. Functions, so that one value serves constants and run time.
struct storage_policy {
    std::ptrdiff_t (*elements)(shape) = [](shape s) { return s.size(); }; ///< that one sample of an activation takes
    bool (*dense)(shape) = [](shape) { return true; };                    ///< whether it is stored as plain C, H, W
    bool defers_norms = false; ///< a batch_norm whose input is kept, and the ReLU behind it, may be left to their readers
    int concat_block = 0;      ///< a concat whose first input has a multiple of so many channels may be left to its readers; 0: none
    bool norm_gradients_in_place = true; ///< a batch_norm by batch statistics may write its input's gradient over its output's
    int slice_block = 0; ///< a part of a concat whose first input has a multiple of so many channels may be a slice of the whole; 0: none
    bool (*reads_slices)(const node&) = any_operation; ///< ... where this is so of all who read it, and so write its gradient
    bool (*writes_slices)(const node&) = any_operation; ///< ... and of who writes it, and so reads its gradient
    bool (*adds_gradients)(const node&) = nullptr; ///< an operation writes what it and others give to its input's gradient, if theirs is aside
    /// In a prediction: the step that begins with `first` goes on with n, which reads its last node, for there is a way to compute both at once.
    bool (*joins)(const node& first, const node& n) = nullptr;
};

/// Plain C, H, W; every value is stored.
inline constexpr storage_policy dense_storage{};

} // namespace umsrep
