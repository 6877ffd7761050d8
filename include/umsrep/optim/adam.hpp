// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <type_traits>

#include <umsrep/optim/detail/packs.hpp>
#include <umsrep/optim/optimizer.hpp>

namespace umsrep::optim {
namespace detail {

/// One pass of Adam over (w, g, m, v), Kingma & Ba, ICLR 2015, algorithm 1, with bias corrections taken out of the loop.
/// `shrink` multiplies the parameter before the step (AdamW), `pull` times the parameter is added to its gradient (Adam's L2).
template <class T>
void adam_pass(std::span<T> w, std::span<const T> g, std::array<std::span<T>, 2> state, std::int64_t step, double lr,
               double beta1, double beta2, double epsilon, double shrink, double pull) {
    const auto count = static_cast<double>(step);
    const auto rate = static_cast<T>(lr / (1.0 - std::pow(beta1, count)));
    const auto spread = static_cast<T>(1.0 / std::sqrt(1.0 - std::pow(beta2, count)));
    const auto gain1 = static_cast<T>(1.0 - beta1), gain2 = static_cast<T>(1.0 - beta2), keep2 = static_cast<T>(beta2);
    const auto least = static_cast<T>(epsilon), kept = static_cast<T>(shrink), pulled = static_cast<T>(pull);
    for_packs(w, g, state, [=](T* parameters, const T* gradient, const std::array<T*, 2>& moments) {
        const pack<T> p = at(parameters);
        const pack<T> d = at(gradient) + pulled * p;
        const pack<T> m = at(moments[0]) + gain1 * (d - at(moments[0]));
        const pack<T> v = keep2 * at(moments[1]) + gain2 * d * d;
        at(moments[0]) = m;
        at(moments[1]) = v;
        at(parameters) = kept * p - rate * m / (square_roots<T>(v) * spread + least);
    });
}

/// Of adam and adamw.
template <class Adam>
void check_adam(const char* name, const Adam& a) {
    check_rate(name, "lr", a.lr);
    check_kept(name, "beta1", a.beta1);
    check_kept(name, "beta2", a.beta2);
    check_positive(name, "epsilon", a.epsilon);
    check_rate(name, "weight_decay", a.weight_decay);
}

} // namespace detail

/// Adam as PyTorch's torch.optim.Adam, its defaults included. Source: Kingma & Ba, "Adam: a method for stochastic optimization",
/// ICLR 2015.
struct adam {
    static constexpr int moments = 2; ///< the means of g and of g^2

    double lr = 1e-3;
    double beta1 = 0.9, beta2 = 0.999;
    double epsilon = 1e-8;
    double weight_decay = 0.0; ///< L2: added to the gradient

    void check() const { detail::check_adam("adam", *this); }

    template <class T>
    void update(std::span<T> w, std::span<const std::type_identity_t<T>> g,
                std::array<std::span<std::type_identity_t<T>>, moments> state, std::int64_t step, double step_lr,
                double step_weight_decay) const {
        check();
        detail::check_update("adam", w, g, state, step);
        detail::check_rate("adam", "lr of the step", step_lr);
        detail::check_rate("adam", "weight_decay of the step", step_weight_decay);
        detail::adam_pass(w, g, state, step, step_lr, beta1, beta2, epsilon, 1.0, step_weight_decay);
    }
};

} // namespace umsrep::optim
