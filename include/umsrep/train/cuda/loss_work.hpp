// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <umsrep/backend/cuda/kernel/loss.cuh>
#include <umsrep/core/shape.hpp>
#include <umsrep/core/tensor_view.hpp>
#include <umsrep/loss/target.hpp>
#include <umsrep/loss/workspace.hpp>

namespace umsrep::cuda {

/// What a loss on a device reads and writes, all of it in the device's memory. T: how the network's logits are stored.
template <class T>
struct loss_work {
    kernel::extents e; ///< of the logits
    kernel::pixels<const T> logits;
    kernel::pixels<T> gradient;       ///< data null: not wanted; other memory than the logits'
    const float* target;              ///< N times the loss's target_shape
    kernel::presence present;         ///< which samples have a label
    kernel::gradient_factors factors; ///< of the gradient
    kernel::loss_report* report;      ///< the mean loss, without those factors
};

/// Terms of a sum that one block adds at least.
inline constexpr unsigned loss_piece = 2048;

/// A loss as what it is and nothing else: what is derived from one may compute something else, so the kernels of its base are not its own.
template <class Loss>
class exactly {
public:
    explicit exactly(const Loss& loss) : loss_{&loss} {}
    template <std::same_as<Loss> Asked>
    operator const Asked&() const {
        return *loss_;
    }

private:
    const Loss* loss_;
};
/// Another kind of target is the same loss.
template <class Loss, target_kind Kind>
exactly(const loss::with_target<Loss, Kind>&) -> exactly<Loss>;

/// Lets a loss refuse its own options, in its own words: it is asked for a sample without a label.
template <class Loss>
void check_options(const Loss& loss, shape logits) {
    const std::vector<float> zeros(static_cast<std::size_t>(logits.size()));
    const std::uint8_t absent[] = {0};
    std::vector<double> scratch(Loss::scratch_size(1, logits, 1));
    loss.evaluate(tensor_view<const float>{zeros.data(), 1, logits},
                  tensor_view<const float>{zeros.data(), 1, Loss::target_shape(logits)}, std::span<const std::uint8_t>(absent),
                  1.0, tensor_view<float>{}, loss::workspace{nullptr, scratch});
}

} // namespace umsrep::cuda
