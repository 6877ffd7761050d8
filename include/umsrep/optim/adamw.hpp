// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <type_traits>

#include <umsrep/optim/adam.hpp>

namespace umsrep::optim {

/// Adam with decoupled weight decay, w *= 1 - lr weight_decay before each step, as PyTorch's torch.optim.AdamW, its defaults
/// included. Source: Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019.
struct adamw {
    static constexpr int moments = 2; ///< the means of g and of g^2

    double lr = 1e-3;
    double beta1 = 0.9, beta2 = 0.999;
    double epsilon = 1e-8;
    double weight_decay = 1e-2; ///< decoupled

    void check() const { detail::check_adam("adamw", *this); }

    template <class T>
    void update(std::span<T> w, std::span<const std::type_identity_t<T>> g,
                std::array<std::span<std::type_identity_t<T>>, moments> state, std::int64_t step, double step_lr,
                double step_weight_decay) const {
        check();
        detail::check_update("adamw", w, g, state, step);
        detail::check_rate("adamw", "lr of the step", step_lr);
        detail::check_rate("adamw", "weight_decay of the step", step_weight_decay);
        detail::adam_pass(w, g, state, step, step_lr, beta1, beta2, epsilon, 1.0 - step_lr * step_weight_decay, 0.0);
    }
};

} // namespace umsrep::optim
