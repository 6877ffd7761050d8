// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <type_traits>

#include <umsrep/optim/detail/packs.hpp>
#include <umsrep/optim/optimizer.hpp>

namespace umsrep::optim {

/// Stochastic gradient descent with momentum as PyTorch's torch.optim.SGD (dampening 0), its defaults included:
///   d = g + weight_decay w;  b = momentum b + d;  w -= lr (nesterov ? d + momentum b : b).
/// Source of the Nesterov form: Sutskever et al., ICML 2013.
struct sgd {
    static constexpr int moments = 1; ///< b

    double lr = 1e-3;
    double momentum = 0.0;
    bool nesterov = false;
    double weight_decay = 0.0; ///< L2: added to the gradient

    void check() const {
        detail::check_rate("sgd", "lr", lr);
        detail::check_kept("sgd", "momentum", momentum);
        detail::check_rate("sgd", "weight_decay", weight_decay);
    }

    template <class T>
    void update(std::span<T> w, std::span<const std::type_identity_t<T>> g,
                std::array<std::span<std::type_identity_t<T>>, moments> state, std::int64_t step, double step_lr,
                double step_weight_decay) const {
        check();
        detail::check_update("sgd", w, g, state, step);
        detail::check_rate("sgd", "lr of the step", step_lr);
        detail::check_rate("sgd", "weight_decay of the step", step_weight_decay);
        const auto rate = static_cast<T>(step_lr), decay = static_cast<T>(step_weight_decay), keep = static_cast<T>(momentum);
        const T ahead = nesterov ? T{1} : T{0}, along = nesterov ? keep : T{1};
        detail::for_packs(w, g, state, [=](T* parameters, const T* gradient, const std::array<T*, 1>& b) {
            using detail::at;
            const detail::pack<T> d = at(gradient) + decay * at(parameters);
            at(b[0]) = keep * at(b[0]) + d;
            at(parameters) -= rate * (ahead * d + along * at(b[0]));
        });
    }
};

} // namespace umsrep::optim
