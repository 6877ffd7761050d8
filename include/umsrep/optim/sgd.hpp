// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

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

    template <class T>
    void update(std::span<T> w, std::span<const std::type_identity_t<T>> g,
                std::array<std::span<std::type_identity_t<T>>, moments> state, std::int64_t step, double step_lr,
                double step_weight_decay) const {
        detail::check_update("sgd", w, g, state, step);
        const auto rate = static_cast<T>(step_lr), decay = static_cast<T>(step_weight_decay), keep = static_cast<T>(momentum);
        const T ahead = nesterov ? T{1} : T{0}, along = nesterov ? keep : T{1};
        T* const parameters = w.data();
        T* const b = state[0].data();
        const T* const gradient = g.data();
        for (std::size_t i = 0; i < w.size(); ++i) {
            const T d = gradient[i] + decay * parameters[i];
            b[i] = keep * b[i] + d;
            parameters[i] -= rate * (ahead * d + along * b[i]);
        }
    }
};

} // namespace umsrep::optim
