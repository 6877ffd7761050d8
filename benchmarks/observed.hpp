// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <span>
#include <vector>

#include <umsrep/backend/operands.hpp>

namespace benchmarks {

/// Which gradients a step is asked for.
enum class wanted { everything, input_gradient, parameter_gradient };

/// Is told how long each step of a plan took.
template <class T>
class step_observer {
public:
    virtual ~step_observer() = default;
    virtual void saw(std::span<const umsrep::operands<T>> chain, bool backward, double seconds) = 0;
    /// Before a backward step: what of it to compute.
    virtual wanted wants(std::span<const umsrep::operands<T>>) { return wanted::everything; }
};

/// A backend whose steps are timed one by one. The functions of a backend are static; so is the observer.
template <class Backend>
struct observed : Backend {
    using T = typename Backend::scalar;
    static inline step_observer<T>* observer = nullptr;

    static void forward(std::span<const umsrep::operands<T>> chain) {
        timed(chain, false, [&] { Backend::forward(chain); });
    }
    static void backward(std::span<const umsrep::operands<T>> chain) {
        std::vector<umsrep::operands<T>> cut(chain.begin(), chain.end());
        const wanted what = observer ? observer->wants(chain) : wanted::everything;
        for (umsrep::operands<T>& o : cut) {
            if (what == wanted::input_gradient) o.grad_weight = o.grad_bias = nullptr;
            if (what == wanted::parameter_gradient) o.grad_in = {}, o.sinks = {};
        }
        timed(chain, true, [&] { Backend::backward(std::span<const umsrep::operands<T>>(cut)); });
    }

private:
    template <class Work>
    static void timed(std::span<const umsrep::operands<T>> chain, bool backward, Work work) {
        const auto start = std::chrono::steady_clock::now();
        work();
        if (observer) observer->saw(chain, backward, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
};

} // namespace benchmarks
