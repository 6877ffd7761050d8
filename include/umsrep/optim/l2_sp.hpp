// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <type_traits>

#include <umsrep/core/error.hpp>
#include <umsrep/core/pieces.hpp>

namespace umsrep::optim {

/// Adds the gradient of strength / 2 |w - start|^2: g += strength (w - start). What is fine-tuned is pulled towards where it started
/// rather than towards 0, as weight decay does. Arrays of one size; the same bits with a pool of any size and with none.
/// Li, Grandvalet, Davoine, "Explicit inductive bias for transfer learning with convolutional networks" (L2-SP), ICML 2018.
template <class T>
void add_l2_sp(std::span<T> gradient, std::span<const std::type_identity_t<T>> weights, std::span<const std::type_identity_t<T>> start,
               double strength, thread_pool* pool = nullptr) {
    if (weights.size() != gradient.size() || start.size() != gradient.size())
        throw shape_mismatch("L2-SP", std::to_string(gradient.size()) + " weights and starting weights",
                             std::to_string(weights.size()) + " and " + std::to_string(start.size()));
    const pieces cut{static_cast<std::ptrdiff_t>(gradient.size()), 1 << 15};
    const T s = static_cast<T>(strength);
    for_tasks(pool, cut.count(), [&](int piece) {
        for (auto i = static_cast<std::size_t>(cut.begin(piece)); i < static_cast<std::size_t>(cut.end(piece)); ++i)
            gradient[i] += s * (weights[i] - start[i]);
    });
}

} // namespace umsrep::optim
